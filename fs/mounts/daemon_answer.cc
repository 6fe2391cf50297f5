// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/daemon_answer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "format/file.h"
#include "fs/mounts/daemon_presence.h"

namespace quire {
namespace {

// A daemon answers statvfs from memory, in microseconds; on a machine that is overloaded it takes a second at times.
constexpr std::chrono::milliseconds kMostSilence(5000);
constexpr std::string_view kConnections = "/sys/fs/fuse/connections";

// Of a process that was killed the first thread ends at once, as /proc tells, and with the last one its files are
// closed. One that has ended meanwhile is not in /proc any more.
constexpr char kEnding = 'Z';
constexpr char kGone = '\0';  // no such process
constexpr std::chrono::milliseconds kLastThreads(2000);

// The errno of statvfs(2), 0 where it succeeded; nothing where no answer comes in time. A child asks, since nothing
// ends the wait for an answer that a daemon with rings of io_uring owes; the child is left to wait. statvfs and not
// stat: the kernel answers stat from memory even when the daemon is gone.
std::optional<int> AskMount(const std::string& mount_point) {
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const File output(ends[0]);
  File input(ends[1]);
  const pid_t child = fork();
  if (child < 0) return std::nullopt;
  if (child == 0) {
    // It holds nothing else: who reads what this command prints would wait with it.
    dup2(input.fd(), STDIN_FILENO);
    closefrom(STDIN_FILENO + 1);
    struct statvfs unused = {};
    const int error = statvfs(mount_point.c_str(), &unused) == 0 ? 0 : errno;
    static_cast<void>(!write(STDIN_FILENO, &error, sizeof(error)));
    _exit(0);
  }
  input = File();
  pollfd answer = {output.fd(), POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&answer, 1, static_cast<int>(kMostSilence.count()))) < 0 && errno == EINTR) continue;
  int error = 0;
  const bool has_answer = ready > 0 && read(output.fd(), &error, sizeof(error)) == sizeof(error);
  if (!has_answer) kill(child, SIGKILL);
  waitpid(child, nullptr, has_answer ? 0 : WNOHANG);
  return has_answer ? std::optional(error) : std::nullopt;
}

// "T", "S", ...: the state that proc(5) tells in the word behind the name in parentheses.
char StateOf(pid_t pid) {
  std::string line;
  std::getline(std::ifstream(fmt::format("/proc/{}/stat", pid)), line);
  const size_t name_end = line.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= line.size() ? '\0' : line[name_end + 2];
}

bool HoldsLine(const std::filesystem::path& file, std::string_view wanted) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line == wanted) return true;
  return false;
}

// Each line of /proc/PID/cgroup: "0::/path" of version 2, whose groups lie beside those of version 1 on some systems,
// and "5:freezer:/path" of version 1.
bool IsFrozen(pid_t pid) {
  constexpr std::array kUnified = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  std::ifstream groups(fmt::format("/proc/{}/cgroup", pid));
  for (std::string line; std::getline(groups, line);) {
    const size_t path = line.find(":/");
    if (path == std::string::npos) continue;
    const std::string group = line.substr(path + 1);
    if (line.starts_with("0::"))
      for (const char* const top : kUnified)
        if (HoldsLine(top + group + "/cgroup.events", "frozen 1")) return true;
    if (line.contains(":freezer:") && HoldsLine("/sys/fs/cgroup/freezer" + group + "/freezer.state", "FROZEN"))
      return true;
  }
  return false;
}

}  // namespace

DaemonState AskDaemon(const MountEntry& mount) {
  const PresenceWatch daemon = WatchDaemon(mount);
  const char state = StateOf(daemon.pid);
  const bool is_ending = daemon.pid > 0 && (state == kEnding || state == kGone);
  if (daemon.is_open() && (!is_ending || !WaitForRelease(daemon, kLastThreads))) return DaemonState::kLives;
  const auto answer = AskMount(mount.mount_point);
  if (!answer) return DaemonState::kSilent;
  // The second is for requests that the end of the daemon found under way. The rings of io_uring end a moment after
  // their process, and until then the kernel takes further ones.
  return answer == ENOTCONN || answer == ECONNABORTED ? DaemonState::kLost : DaemonState::kLives;
}

Result<void> CheckPathAnswers(const std::string& path) {
  const auto above = FindMountAbove(std::filesystem::absolute(path).lexically_normal().native());
  if (!above || above->type != kMountType) return {};
  // One that is stopped is not asked: a question that its rings of io_uring have taken keeps the mount in use until it
  // goes on, whatever becomes of who asks.
  std::string cause = DescribeStandstill(WatchDaemon(*above).pid);
  if (cause.empty()) {
    if (AskMount(above->mount_point)) return {};
    cause = DescribeSilence(*above);
  }
  if (!cause.empty()) cause = ": " + cause;
  return MakeError(
      ErrorCode::kSystem,
      "'{}' lies in the mount at '{}', whose daemon does not answer{}; 'quire umount --lazy {}' takes it away", path,
      above->mount_point, cause, above->mount_point);
}

std::string DescribeStandstill(pid_t pid) {
  if (pid <= 0) return "";
  const char state = StateOf(pid);
  if (state == 'T') return fmt::format("process {0} is stopped; 'kill -CONT {0}' lets it go on", pid);
  if (state == 't') return fmt::format("process {} is stopped by a debugger", pid);
  if (IsFrozen(pid)) return fmt::format("process {} is frozen with its control group, which must be thawed", pid);
  return "";
}

std::string DescribeSilence(const MountEntry& mount) {
  const PresenceWatch daemon = WatchDaemon(mount);
  if (daemon.is_open()) return DescribeStandstill(daemon.pid);
  // systemd mounts the control file system, and containers for instance have none.
  const std::string abort = fmt::format("{}/{}/abort", kConnections, minor(mount.device));
  const std::string mounting =
      access(abort.c_str(), F_OK) == 0 ? "" : fmt::format("mount -t fusectl none {} && ", kConnections);
  return fmt::format("no daemon of it is seen; where it has ended, root frees all who wait for it by '{}echo 1 >{}'",
                     mounting, abort);
}

}  // namespace quire
