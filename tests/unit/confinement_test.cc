// SPDX-License-Identifier: Apache-2.0
// Goal: a daemon that a pack has taken over reaches nothing but what it serves. From inside: each attempt is made by a
// process that has confined itself by the functions that a daemon calls, in their order.
#include "fs/guard/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "format/file.h"
#include "fs/guard/syscall_filter.h"

namespace quire {
namespace {

constexpr int kNoLandlock = 200;
constexpr int kNoFilter = 201;

class ConfinedDaemon : public testing::Test {
 protected:
  ConfinedDaemon() {
    std::string pattern = "/var/tmp/quire-confinement.XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(folder_ + "/logs");
    for (const char* const name : {"/pack", "/neighbour", "/logs/log"}) std::ofstream(folder_ + name) << "bytes";
    pack_ = *File::Open(folder_ + "/pack", O_RDONLY);
  }
  ~ConfinedDaemon() override { std::filesystem::remove_all(folder_); }

  // What `body` returns in a process that is confined as a daemon is; kNoLandlock, kNoFilter where it is not here.
  int Confined(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) {
      const auto confinement = ConfineThread({.volumes = {pack_.fd()}, .log_file = folder_ + "/logs/log"});
      if (!confinement.files.contains("no others")) _exit(kNoLandlock);
      if (!FilterServingCalls().ends_with("no others")) _exit(kNoFilter);
      _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    return WEXITSTATUS(status);
  }

  // `call` fails with `wanted` there.
  void ExpectRefused(int wanted, const std::function<long()>& call) {
    const int result = Confined([&] { return call() == -1 ? errno : 0; });
    if (result == kNoLandlock || result == kNoFilter) GTEST_SKIP() << "no Landlock or no filter in this build, or here";
    EXPECT_EQ(result, wanted);
  }

  std::string folder_;
  File pack_;
};

std::function<long()> Opening(const std::string& path, int flags) {
  return [path, flags] { return static_cast<long>(open(path.c_str(), flags, 0600)); };
}

TEST_F(ConfinedDaemon, FilesOfTheSystemAreNotOpened) {
  for (const char* const path : {"/etc/shadow", "/etc/passwd", "/root", "/home", "/", "/bin/sh", "/dev/mem"})
    if (access(path, F_OK) == 0) ExpectRefused(EACCES, Opening(path, O_RDONLY));
}
TEST_F(ConfinedDaemon, FilesBesideThePackAreNotOpened) {
  ExpectRefused(EACCES, Opening(folder_ + "/neighbour", O_RDONLY));
}
TEST_F(ConfinedDaemon, ThePackIsNotWritten) {
  ExpectRefused(EACCES, Opening(folder_ + "/pack", O_WRONLY));
  ExpectRefused(ENOSYS, [this] { return static_cast<long>(truncate((folder_ + "/pack").c_str(), 0)); });
}
TEST_F(ConfinedDaemon, NoFileIsMade) {
  ExpectRefused(EACCES, Opening(folder_ + "/new", O_WRONLY | O_CREAT));
  ExpectRefused(EACCES, Opening("/var/tmp", O_TMPFILE | O_WRONLY));
  ExpectRefused(ENOSYS, [this] { return static_cast<long>(mknod((folder_ + "/node").c_str(), S_IFREG | 0600, 0)); });
  ExpectRefused(ENOSYS,
                [this] { return static_cast<long>(link((folder_ + "/pack").c_str(), (folder_ + "/x").c_str())); });
}
TEST_F(ConfinedDaemon, TheLogIsNotReadAndNotCut) {
  ExpectRefused(EACCES, Opening(folder_ + "/logs/log", O_RDONLY));
  // Before ABI 3 Landlock knew no truncating.
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 3) return;
  ExpectRefused(EACCES, Opening(folder_ + "/logs/log", O_WRONLY | O_TRUNC));
}
TEST_F(ConfinedDaemon, NoSettingOfTheKernelIsChanged) {
  for (const char* const path : {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj"})
    if (access(path, W_OK) == 0) ExpectRefused(EACCES, Opening(path, O_WRONLY));
}
TEST_F(ConfinedDaemon, NoOtherProcessIsLookedInto) {
  const std::string parent = "/proc/" + std::to_string(getpid());
  ExpectRefused(EACCES, Opening(parent + "/mem", O_RDWR));
  ExpectRefused(EACCES, Opening(parent + "/environ", O_RDONLY));
  ExpectRefused(ENOSYS, [] { return ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_pidfd_open, getppid(), 0); });
}
TEST_F(ConfinedDaemon, NoOtherProcessIsSignalled) {
  ExpectRefused(ENOSYS, [] { return static_cast<long>(kill(getppid(), 0)); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(kill(-1, 0)); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_tgkill, getppid(), getppid(), 0); });
}
TEST_F(ConfinedDaemon, NoLimitOfAnotherProcessIsSet) {
  ExpectRefused(ENOSYS, [] {
    rlimit limit = {};
    return static_cast<long>(prlimit(getppid(), RLIMIT_NOFILE, nullptr, &limit));
  });
}
TEST_F(ConfinedDaemon, NoProgramIsRun) {
  ExpectRefused(ENOSYS, [] {
    std::array<char*, 1> none = {nullptr};
    return static_cast<long>(execve("/bin/true", none.data(), none.data()));
  });
}
TEST_F(ConfinedDaemon, NothingIsMountedOrUnmounted) {
  ExpectRefused(ENOSYS, [] { return static_cast<long>(mount("none", "/var/empty", "tmpfs", 0, nullptr)); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(umount2("/proc", MNT_DETACH)); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_open_tree, AT_FDCWD, "/", 0); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(chroot("/")); });
}
TEST_F(ConfinedDaemon, NoUserIsBecomeAndNoModuleLoaded) {
  ExpectRefused(ENOSYS, [] { return static_cast<long>(setuid(getuid())); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_capset, nullptr, nullptr); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(unshare(CLONE_NEWUSER)); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_init_module, nullptr, 0, ""); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_finit_module, 0, "", 0); });
  ExpectRefused(ENOSYS, [] { return syscall(SYS_bpf, 0, nullptr, 0); });
}
TEST_F(ConfinedDaemon, NoNetworkIsReached) {
  ExpectRefused(ENOSYS, [] { return static_cast<long>(socket(AF_INET, SOCK_STREAM, 0)); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(socket(AF_INET6, SOCK_DGRAM, 0)); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(socket(AF_NETLINK, SOCK_RAW, 0)); });
}
// Those who take orders from root listen to streams: D-Bus, systemd, container engines.
TEST_F(ConfinedDaemon, NoServiceOfThisMachineIsGivenOrders) {
  ExpectRefused(ENOSYS, [] { return static_cast<long>(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
  ExpectRefused(ENOSYS, [] { return static_cast<long>(socket(AF_UNIX, SOCK_SEQPACKET, 0)); });
}
// Its operations pass by the filter of system calls.
TEST_F(ConfinedDaemon, NoRingIsSetUp) {
  ExpectRefused(ENOSYS, [] { return syscall(SYS_io_uring_setup, 1, nullptr); });
}

TEST_F(ConfinedDaemon, CapabilitiesAreThoseOfServing) {
  const int result = Confined([] {
    std::ifstream status("/proc/self/status");
    // dac_read_search 2, ipc_lock 14, sys_nice 23.
    constexpr unsigned long long kAllowed = 1 << 2 | 1 << 14 | 1 << 23;
    int seen = 0;
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("Cap")) continue;
      ++seen;
      const bool is_bounding_of_user = line.starts_with("CapBnd:") && geteuid() != 0;  // who may not shrink it
      const auto set = std::stoull(line.substr(line.find(':') + 1), nullptr, 16);
      if (!is_bounding_of_user && (set & ~kAllowed) != 0) return 1;
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 2;
    return seen == 5 ? 0 : 3;
  });
  if (result == kNoLandlock || result == kNoFilter) GTEST_SKIP() << "no Landlock or no filter in this build, or here";
  EXPECT_EQ(result, 0);
}

TEST_F(ConfinedDaemon, RootLeavesNoCoreDump) {
  if (geteuid() != 0) GTEST_SKIP() << "of root's daemons only";
  const int result = Confined([] {
    rlimit limit = {};
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 1 ? 0 : 1;
  });
  if (result == kNoLandlock || result == kNoFilter) GTEST_SKIP() << "no Landlock or no filter in this build, or here";
  EXPECT_EQ(result, 0);
}

TEST_F(ConfinedDaemon, WhatServingNeedsWorks) {
  const int result = Confined([this] {
    const auto opens = [](const std::string& path, int flags) {
      return File(open(path.c_str(), flags, 0600)).is_open();
    };
    if (!opens("/proc/self/fd/" + std::to_string(pack_.fd()), O_RDONLY)) return 1;
    if (!opens(folder_ + "/pack", O_RDONLY)) return 2;
    if (!opens(folder_ + "/logs/log", O_WRONLY | O_APPEND | O_CREAT)) return 3;
    if (!opens(folder_ + "/logs/new", O_WRONLY | O_APPEND | O_CREAT)) return 4;
    if (!opens("/proc/self/mountinfo", O_RDONLY) || !opens("/proc/meminfo", O_RDONLY)) return 5;
    if (!opens("/dev/null", O_RDWR)) return 6;
    if (socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0) return 7;
    if (kill(getpid(), 0) != 0) return 8;
    int sum = 0;
    std::thread([&sum] { sum = 1; }).join();
    return sum == 1 ? 0 : 9;
  });
  if (result == kNoLandlock || result == kNoFilter) GTEST_SKIP() << "no Landlock or no filter in this build, or here";
  EXPECT_EQ(result, 0);
}

// A thread that ran before has not these limits: so it is confined before it is made (Session::Mount).
TEST_F(ConfinedDaemon, ThreadsThatAreStartedLaterAreConfined) {
  const int result = Confined([] {
    int error = 0;
    std::thread([&error] { error = open("/etc/passwd", O_RDONLY) < 0 ? errno : 0; }).join();
    return error;
  });
  if (result == kNoLandlock || result == kNoFilter) GTEST_SKIP() << "no Landlock or no filter in this build, or here";
  EXPECT_EQ(result, EACCES);
}

}  // namespace
}  // namespace quire
