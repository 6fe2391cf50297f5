// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/control_reader.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "format/file.h"
#include "fs/inodes.h"
#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/daemon_presence.h"

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPieceBytes = 64 << 10;
// A figure of a mount is some kilobytes; what is longer is no control file of Quire's.
constexpr size_t kMostBytes = 64 << 20;

// What the child sends first: 0, or the errno that kept it from the content.
using Status = int;

// The kernel lets nobody in who is not wholly the user who mounted. 0 or an errno.
Status BecomeUserOf(const MountEntry& mount) {
  if (geteuid() != 0 || !mount.user || !mount.group || (*mount.user == 0 && *mount.group == 0)) return 0;
  if (setgroups(0, nullptr) != 0 || setresgid(*mount.group, *mount.group, *mount.group) != 0 ||
      setresuid(*mount.user, *mount.user, *mount.user) != 0)
    return errno;
  return 0;
}

Status CopyFile(int from, int to) {
  std::array<char, kPieceBytes> piece = {};
  while (true) {
    const ssize_t got = read(from, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : 0;
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t more = write(to, piece.data() + sent, static_cast<size_t>(got - sent));
      if (more < 0 && errno != EINTR) return errno;
      sent += std::max<ssize_t>(more, 0);
    }
  }
}

// The mount's root is found before the child becomes another user, to whom folders above it may be closed.
[[noreturn]] void RunChild(const MountEntry& mount, const std::string& path, int output) {
  const auto end_with = [output](Status status) {
    static_cast<void>(!write(output, &status, sizeof(status)));
    _exit(status == 0 ? 0 : 1);
  };
  const int above = open(mount.mount_point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (above < 0) end_with(errno);
  if (const Status status = BecomeUserOf(mount); status != 0) end_with(status);
  const int file = openat(above, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) end_with(errno);
  struct stat status = {};
  if (fstat(file, &status) != 0) end_with(errno);
  // Another mount lies on it, or the pack's own entry of that name is something else.
  if (status.st_dev != mount.device || !S_ISREG(status.st_mode)) end_with(ENOENT);
  constexpr Status kGood = 0;
  static_cast<void>(!write(output, &kGood, sizeof(kGood)));
  _exit(CopyFile(file, output) == 0 ? 0 : 1);
}

// All that comes until the end; nothing where that does not come in time.
std::optional<std::string> ReceiveAll(const File& input, Clock::time_point until) {
  std::string all;
  std::array<char, kPieceBytes> piece = {};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0 || all.size() > kMostBytes) return std::nullopt;
    pollfd wanted = {input.fd(), POLLIN, 0};
    const int ready = poll(&wanted, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    const ssize_t got = read(input.fd(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return all;
    all.append(piece.data(), static_cast<size_t>(got));
  }
}

std::unexpected<Error> Failed(int number, std::string message) {
  return std::unexpected(Error{ErrorCode::kSystem, number, std::move(message)});
}

std::unexpected<Error> Explain(const MountEntry& mount, std::string_view name, Status status) {
  const std::string& point = mount.mount_point;
  switch (status) {
    case ENOENT:
    case ENOTDIR:
      return MakeError(ErrorCode::kNotFound,
                       "'{}' has no control file '{}': its daemon is of another release, or its pack has an entry "
                       "'{}' of its own",
                       point, name, kControlFolderName);
    case ENOTCONN:
    case ECONNABORTED:
      return Failed(ENOTCONN,
                    fmt::format("the daemon of the mount at '{0}' is gone; 'quire umount {0}' takes it away", point));
    case EACCES:
    case EPERM:
      return Failed(EACCES,
                    fmt::format("the figures of the mount at '{}' are for root and the user who mounted it; with "
                                "the mount option control=all they are for everybody",
                                point));
    default:
      return SystemError(status, "'{}/{}/{}'", point, kControlFolderName, name);
  }
}

}  // namespace

Result<std::string> ReadControlFile(const MountEntry& mount, std::string_view name,
                                    std::chrono::milliseconds patience) {
  const auto silent = [&mount](std::string cause) {
    if (!cause.empty()) cause = ": " + cause;
    return Failed(ETIMEDOUT,
                  fmt::format("the daemon of the mount at '{}' does not answer{}", mount.mount_point, cause));
  };
  // One that is stopped is not asked: what it has taken keeps the mount in use.
  if (std::string cause = DescribeStandstill(WatchDaemon(mount).pid); !cause.empty()) return silent(std::move(cause));
  const std::string path = fmt::format("{}/{}", kControlFolderName, name);
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
  const File output(ends[0]);
  File input(ends[1]);
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "fork");
  if (child == 0) {
    // It holds nothing else: who reads what this command prints would wait with it.
    dup2(input.fd(), STDIN_FILENO);
    closefrom(STDIN_FILENO + 1);
    RunChild(mount, path, STDIN_FILENO);
  }
  input = File();
  const auto answer = ReceiveAll(output, Clock::now() + patience);
  if (!answer) kill(child, SIGKILL);
  int ended = 0;
  waitpid(child, &ended, answer ? 0 : WNOHANG);
  if (!answer) return silent(DescribeSilence(mount));
  Status status = 0;
  if (answer->size() < sizeof(status)) return silent("the process that asked it has died");
  std::memcpy(&status, answer->data(), sizeof(status));
  if (status != 0) return Explain(mount, name, status);
  if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)
    return SystemError(EIO, "'{}/{}' could not be read to its end", mount.mount_point, path);
  return answer->substr(sizeof(status));
}

}  // namespace quire
