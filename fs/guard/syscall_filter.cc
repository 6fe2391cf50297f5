// SPDX-License-Identifier: Apache-2.0
#include "fs/guard/syscall_filter.h"

#if defined(QUIRE_HAS_SECCOMP) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QUIRE_FILTERS_SYSTEM_CALLS
#endif

#ifdef QUIRE_FILTERS_SYSTEM_CALLS
#include <fmt/format.h>
#include <linux/fuse.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "format/result.h"
#endif

namespace quire {
namespace {

#ifdef QUIRE_FILTERS_SYSTEM_CALLS

// Names, since not every architecture and not every libseccomp has each. What the C library, libstdc++, libfuse and
// liburing may call in its place stands beside what they call.
constexpr auto kServing = std::to_array<const char*>({
    // Bytes.
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "splice",
    "tee",
    "vmsplice",
    "lseek",
    "_llseek",
    "readahead",
    "fadvise64",
    "fadvise64_64",
    "io_uring_enter",
    "io_uring_register",
    // Files: the log, /proc, /sys, the plan's pipe.
    "open",
    "openat",
    "openat2",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fcntl64",
    "pipe",
    "pipe2",
    "eventfd2",
    "memfd_create",
    "ftruncate",
    "ftruncate64",
    "fallocate",
    "stat",
    "stat64",
    "fstat",
    "fstat64",
    "lstat",
    "lstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "statfs64",
    "fstatfs",
    "fstatfs64",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    // Memory.
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mincore",
    "mlock",
    "mlock2",
    "munlock",
    "membarrier",
    "mbind",
    "get_mempolicy",
    "set_mempolicy",
    // Threads and time. Of clone only that of threads, of prlimit64 only this process's limits, below.
    "futex",
    "futex_time64",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "exit",
    "exit_group",
    "gettid",
    "getpid",
    "getppid",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "getcpu",
    "setpriority",
    "getpriority",
    "prctl",
    "arch_prctl",
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "nanosleep",
    "gettimeofday",
    "time",
    "restart_syscall",
    "wait4",  // for the end of the process that unmounts
    "waitid",
    // Waiting.
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "pselect6",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    // Signals. Those to this process only, below.
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_sigpending",
    "rt_sigsuspend",
    "sigaltstack",
    // Who and where.
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getuid32",
    "geteuid32",
    "getgid32",
    "getegid32",
    "getgroups",
    "capget",
    "uname",
    "sysinfo",
    "getrlimit",
    "getrusage",
    "getrandom",
    // Sockets of this machine, datagrams only, below: the system's log and the service manager.
    "connect",
    "sendto",
    "sendmsg",
    "recvfrom",
    "recvmsg",
    "getsockopt",
    "setsockopt",
    "getsockname",
    "getpeername",
    "shutdown",
});

// What waiting for a byte, umount2(2) and an answer need.
constexpr auto kUnmounting = std::to_array<const char*>({
    "umount2",      "recvfrom",        "sendto",        "read",       "write",        "close",
    "nanosleep",    "clock_nanosleep", "clock_gettime", "brk",        "mmap",         "munmap",
    "mremap",       "futex",           "madvise",       "mprotect",   "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "restart_syscall", "exit",          "exit_group", "getpid",       "gettid",
});

constexpr uint64_t kSocketTypes = 0xf;  // SOCK_TYPE_MASK of the kernel: what else is there are flags

using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, decltype(&seccomp_release)>;

// A call that this architecture has not is none to allow.
int Allow(const Filter& filter, const char* name, std::span<const scmp_arg_cmp> arguments) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const int result = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number,
                                            static_cast<unsigned>(arguments.size()), arguments.data());
  return result == -EDOM ? 0 : result;
}

scmp_arg_cmp Equals(unsigned argument, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
scmp_arg_cmp EqualsIn(unsigned argument, uint64_t mask, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

// Calls that are allowed with some arguments only. The kernel compares all 64 bits of an argument, and the C library
// leaves what it likes in the upper half of an int.
constexpr uint64_t kInt = 0xffffffff;

int AllowConditions(const Filter& filter) {
  const auto self = static_cast<uint64_t>(getpid());
  struct Condition {
    const char* call;
    std::vector<scmp_arg_cmp> arguments;
  };
  const auto conditions = std::to_array<Condition>({
      // clone3 hides its flags in memory, which no filter reads: the C library does without.
      {"clone", {EqualsIn(0, CLONE_THREAD, CLONE_THREAD)}},
      // Datagrams alone: those who take orders, such as D-Bus or container engines, listen to streams.
      {"socket", {Equals(0, AF_UNIX), EqualsIn(1, kSocketTypes, SOCK_DGRAM)}},
      {"ioctl", {EqualsIn(1, kInt, FUSE_DEV_IOC_CLONE)}},
      {"ioctl", {EqualsIn(1, kInt, TCGETS)}},  // isatty(3); not TIOCSTI, which types on a terminal
      {"kill", {EqualsIn(0, kInt, self)}},
      {"tgkill", {EqualsIn(0, kInt, self)}},
      {"prlimit64", {EqualsIn(0, kInt, 0)}},
      {"prlimit64", {EqualsIn(0, kInt, self)}},
  });
  for (const auto& [call, arguments] : conditions)
    if (const int error = Allow(filter, call, arguments); error != 0) return error;
  return 0;
}

// What libcurl and the C library's resolver need: sockets of the internet, and the kernel's list of addresses, by which
// getaddrinfo(3) sorts what it finds.
int AllowConnecting(const Filter& filter) {
  for (const uint64_t family : {AF_INET, AF_INET6, AF_NETLINK})
    if (const int error = Allow(filter, "socket", std::array{Equals(0, family)}); error != 0) return error;
  for (const char* const call : {"bind", "socketpair", "sendmmsg", "recvmmsg"})
    if (const int error = Allow(filter, call, {}); error != 0) return error;
  return Allow(filter, "ioctl", std::array{EqualsIn(1, kInt, FIONBIO)});
}

// A tier's volumes are removed when nothing of them is left, and made for what a pack grows by.
int AllowKeeping(const Filter& filter) {
  for (const char* const call : {"unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "rename", "renameat", "renameat2"})
    if (const int error = Allow(filter, call, {}); error != 0) return error;
  // A thread's own mask: OwnModes in tier_map.h.
  if (const int error = Allow(filter, "unshare", std::array{EqualsIn(0, kInt, CLONE_FS)}); error != 0) return error;
  return Allow(filter, "umask", {});
}

int Load(std::span<const char* const> calls, const std::function<int(const Filter&)>& add_others) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release);
  if (filter == nullptr) return -ENOMEM;
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  if (result == 0) result = add_others(filter);
  for (const char* const name : calls)
    if (result == 0) result = Allow(filter, name, {});
  return result == 0 ? seccomp_load(filter.get()) : result;
}

#endif

}  // namespace

std::string FilterServingCalls([[maybe_unused]] const ServingNeeds& needs) {
#ifdef QUIRE_FILTERS_SYSTEM_CALLS
  const auto add_others = [&needs](const Filter& filter) {
    int error = AllowConditions(filter);
    if (error == 0 && needs.makes_rings) error = Allow(filter, "io_uring_setup", {});
    if (error == 0 && needs.connects) error = AllowConnecting(filter);
    if (error == 0 && needs.keeps_tier) error = AllowKeeping(filter);
    return error;
  };
  if (const int error = Load(kServing, add_others); error != 0) return fmt::format("all ({})", ReasonOf(-error));
  return "those of serving and no others";
#else
  return "all, in this build";
#endif
}

void FilterUnmountingCalls() {
#ifdef QUIRE_FILTERS_SYSTEM_CALLS
  Load(kUnmounting, [](const Filter& /*filter*/) { return 0; });
#endif
}

}  // namespace quire
