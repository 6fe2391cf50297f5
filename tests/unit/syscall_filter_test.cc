// SPDX-License-Identifier: Apache-2.0
// Goal: behind the filter a daemon works on, and what it does not need fails. From inside: each test is a process of
// its own.
#include "fs/guard/syscall_filter.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace quire {
namespace {

// What `body` returns in a child behind the filter; -1 where there is none in this build or on this machine.
int BehindTheFilter(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const bool is_filtered = FilterServingCalls().ends_with("no others");
    _exit(is_filtered ? body() : 255);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
  return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

// The errno of a call that must fail; 0 where it succeeded.
int ErrnoOf(long result) { return result == -1 ? errno : 0; }

void ExpectRefused(const std::function<long()>& call) {
  const int result = BehindTheFilter([&] { return ErrnoOf(call()); });
  if (result == -1) GTEST_SKIP() << "no filter in this build, or on this machine";
  EXPECT_EQ(result, ENOSYS);
}

TEST(SyscallFilter, NoProgramIsRun) {
  ExpectRefused([] {
    std::string program = "/bin/true";
    std::array<char*, 2> words = {program.data(), nullptr};
    return static_cast<long>(execve(program.c_str(), words.data(), nullptr));
  });
}
TEST(SyscallFilter, NoProcessIsMade) {
  ExpectRefused([] { return static_cast<long>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); });
}
TEST(SyscallFilter, NoNetworkIsReached) {
  ExpectRefused([] { return static_cast<long>(socket(AF_INET, SOCK_STREAM, 0)); });
}
TEST(SyscallFilter, NoProcessIsLookedInto) {
  ExpectRefused([] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); });
}
TEST(SyscallFilter, NoNamespaceIsMade) {
  ExpectRefused([] { return static_cast<long>(unshare(CLONE_NEWUSER)); });
}
TEST(SyscallFilter, NothingIsMounted) {
  ExpectRefused([] { return syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr); });
}
TEST(SyscallFilter, NoFileIsRemovedOrRenamed) {
  ExpectRefused([] { return static_cast<long>(unlink("/no such file")); });
  ExpectRefused([] { return static_cast<long>(rename("/no such file", "/none")); });
}

TEST(SyscallFilter, WhatServingNeedsWorks) {
  const int result = BehindTheFilter([] {
    std::ifstream file("/proc/self/status");
    std::string line;
    if (!std::getline(file, line)) return 1;
    int sum = 0;
    std::thread([&sum] { sum = 1; }).join();
    if (sum != 1) return 2;
    const int local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return local < 0 ? 3 : 0;
  });
  if (result == -1) GTEST_SKIP() << "no filter in this build, or on this machine";
  EXPECT_EQ(result, 0);
}

TEST(SyscallFilter, ItReachesThreadsThatRunAlready) {
  const int result = BehindTheFilter([] { return 0; });
  if (result == -1) GTEST_SKIP() << "no filter in this build, or on this machine";
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int error = 0;
    std::atomic<bool> is_filtered = false;
    std::thread early([&] {
      is_filtered.wait(false);
      error = ErrnoOf(socket(AF_INET, SOCK_STREAM, 0));
    });
    FilterServingCalls();
    is_filtered = true;
    is_filtered.notify_one();
    early.join();
    _exit(error);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), ENOSYS);
}

}  // namespace
}  // namespace quire
