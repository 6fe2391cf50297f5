// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/unmount.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ranges>
#include <string_view>
#include <thread>
#include <vector>

#include "format/file.h"

namespace quire {
namespace {

// The daemon itself has `.quire/plan` open for a moment after somebody looked at it.
constexpr std::chrono::milliseconds kMostBusyWithItself(250);
constexpr std::chrono::milliseconds kTryAgainEvery(10);

std::unexpected<Error> Busy(const std::string& mount_point) {
  return std::unexpected(Error{ErrorCode::kSystem, EBUSY, fmt::format("'{}' is in use", mount_point)});
}

// What a process that was just spawned with the write end says until it closes it.
std::string ReadAll(const File& pipe) {
  std::string text;
  std::array<char, 512> buffer = {};
  while (true) {
    const ssize_t bytes = read(pipe.fd(), buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(bytes));
  }
}

Result<void> RunFusermount(const std::string& mount_point, UnmountMode mode) {
  std::string program = FindFusermount();
  if (program.empty())
    return MakeError(ErrorCode::kSystem, "only root may unmount '{}' without fusermount3: install the package fuse3",
                     mount_point);
  std::string flags = mode == UnmountMode::kDetach ? "-uz" : "-u";
  std::string target = mount_point;
  std::array<char*, 4> arguments = {program.data(), flags.data(), target.data(), nullptr};

  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
  const File output(ends[0]);
  File input(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.fd(), STDERR_FILENO);
  // Not the signals of the thread that calls: those of a daemon block all of them, and SIGPIPE is ignored.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  pid_t pid = 0;
  const int spawned = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) return SystemError(spawned, "{}", program);
  input = File();  // else ReadAll never sees the end

  std::string said = ReadAll(output);
  int status = 0;
  pid_t waited = 0;
  while ((waited = waitpid(pid, &status, 0)) < 0 && errno == EINTR) continue;
  // Where SIGCHLD is ignored, nobody learns how a child ended; but fusermount3 says what went wrong, and nothing else.
  if (waited == pid ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : said.empty()) return {};
  if (said.contains("busy")) return Busy(mount_point);
  while (said.ends_with('\n')) said.pop_back();
  return MakeError(ErrorCode::kSystem, "'{}' was not unmounted: {}", mount_point, said);
}

Result<void> TryUnmount(const std::string& mount_point, UnmountMode mode) {
  const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::kDetach ? MNT_DETACH : 0);
  if (umount2(mount_point.c_str(), flags) == 0) return {};
  if (errno == EBUSY) return Busy(mount_point);
  if (errno == EPERM) return RunFusermount(mount_point, mode);
  if (errno == EINVAL)  // somebody else was faster
    return MakeError(ErrorCode::kNotFound, "'{}' is not a mount point", mount_point);
  return SystemError(errno, "'{}' was not unmounted", mount_point);
}

}  // namespace

Result<void> Unmount(const std::string& mount_point, UnmountMode mode) {
  assert(mount_point.starts_with('/'));
  const auto until = std::chrono::steady_clock::now() + kMostBusyWithItself;
  while (true) {
    auto unmounted = TryUnmount(mount_point, mode);
    const bool is_busy = !unmounted && unmounted.error().system_errno == EBUSY;
    if (!is_busy || std::chrono::steady_clock::now() >= until) return unmounted;
    std::this_thread::sleep_for(kTryAgainEvery);
  }
}

std::string FindFusermount() {
  const char* const path = std::getenv("PATH");
  std::vector<std::string> folders = {"/usr/bin", "/bin", "/usr/local/bin"};  // where libfuse was built to look
  for (const auto folder : std::views::split(std::string_view(path == nullptr ? "" : path), ':'))
    folders.emplace_back(folder.begin(), folder.end());
  for (const std::string& folder : folders) {
    const std::string program = folder + "/fusermount3";
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

}  // namespace quire
