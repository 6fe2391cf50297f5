#include "fs/syscall_filter.h"

#include <sys/prctl.h>

#if defined(QUIRE_HAS_SECCOMP) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QUIRE_FILTERS_SYSTEM_CALLS
#endif

#ifdef QUIRE_FILTERS_SYSTEM_CALLS
#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>
#endif

namespace quire {
namespace {

#ifdef QUIRE_FILTERS_SYSTEM_CALLS

// Names, since not every architecture and not every libseccomp has each. What the C library, libstdc++, libfuse and
// liburing may call in its place stands beside what they call.
constexpr auto kAllowed = std::to_array<const char*>({
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
    "io_uring_setup",
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
    "ioctl",
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
    "umount2",
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
    // Threads and time. Of clone only that of threads, below.
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
    // Signals.
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_sigpending",
    "rt_sigsuspend",
    "sigaltstack",
    "kill",
    "tkill",
    "tgkill",
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
    "prlimit64",
    "getrusage",
    "getrandom",
    // Sockets of this machine, below: the system's log and the service manager.
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

using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, decltype(&seccomp_release)>;

// A call that this architecture has not is none to allow.
int Allow(const Filter& filter, const char* name, unsigned conditions, const scmp_arg_cmp* condition) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return 0;
  const int result = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number, conditions, condition);
  return result == -EDOM ? 0 : result;
}

int Load() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release);
  if (filter == nullptr) return -ENOMEM;
  const scmp_arg_cmp is_thread = {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = CLONE_THREAD, .datum_b = CLONE_THREAD};
  const scmp_arg_cmp is_local = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX, .datum_b = 0};
  int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  // clone3 hides its flags in memory, which no filter reads: the C library does without.
  if (result == 0) result = Allow(filter, "clone", 1, &is_thread);
  if (result == 0) result = Allow(filter, "socket", 1, &is_local);
  for (const char* const name : kAllowed)
    if (result == 0) result = Allow(filter, name, 0, nullptr);
  return result == 0 ? seccomp_load(filter.get()) : result;
}

#endif

}  // namespace

std::string FilterSystemCalls() {
#ifdef QUIRE_FILTERS_SYSTEM_CALLS
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return "all, since fusermount3 unmounts";
  if (const int error = Load(); error != 0) return fmt::format("all ({})", std::generic_category().message(-error));
  return fmt::format("{} and no others", kAllowed.size() + 2);
#else
  return "all, in this build";
#endif
}

}  // namespace quire
