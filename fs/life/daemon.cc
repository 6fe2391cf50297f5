// SPDX-License-Identifier: Apache-2.0
#include "fs/life/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "format/file.h"
#include "fs/life/error_report.h"

namespace quire {
namespace {

// What the child sends: one of these, and behind kFailed an error (error_report.h). No byte at all: it died.
constexpr char kReady = 'R';
constexpr char kFailed = 'F';

constexpr int kLookEveryMs = 100;  // whether this process was interrupted just before it waited
constexpr std::chrono::milliseconds kLookForEnd(5);
constexpr std::chrono::seconds kEndTimeout(2);

// Less than PIPE_BUF, so that one write is whole; a pipe without reader is a parent that was interrupted.
constexpr size_t kMaxReportBytes = PIPE_BUF;

// False where nobody is there to receive it.
bool Send(const File& pipe, std::string_view report) {
  report = report.substr(0, kMaxReportBytes);
  ssize_t sent = 0;
  while ((sent = write(pipe.fd(), report.data(), report.size())) < 0 && errno == EINTR) continue;
  return sent >= 0;
}

// Waits for the child's report. Empty where `interrupted` is set before.
std::string Receive(const File& pipe, const std::atomic<bool>& interrupted) {
  pollfd wanted = {pipe.fd(), POLLIN, 0};
  while (poll(&wanted, 1, kLookEveryMs) <= 0)
    if (interrupted) return "";
  std::string report(kMaxReportBytes, '\0');
  ssize_t bytes = 0;
  while ((bytes = read(pipe.fd(), report.data(), report.size())) < 0 && errno == EINTR) continue;
  report.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return report;
}

std::unexpected<Error> DiedUnexpectedly(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status))
    return MakeError(ErrorCode::kSystem, "the background process died of signal {}", WTERMSIG(status));
  return MakeError(ErrorCode::kSystem, "the background process ended with exit status {}", WEXITSTATUS(status));
}

void CloseInherited(const File& keep) {
  for (int fd = STDERR_FILENO + 1; fd < keep.fd(); ++fd) close(fd);
  closefrom(keep.fd() + 1);
}

Result<void> LeaveTerminal() {
  auto null = File::Open("/dev/null", O_RDWR);
  if (!null) return Propagate(std::move(null));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null->fd(), stream);
  if (chdir("/") != 0) return SystemError(errno, "/");
  setsid();  // fails only for the leader of a group, which a fresh child is not
  return {};
}

[[noreturn]] void RunChild(File pipe, const std::function<Result<void>()>& prepare,
                           const std::function<Result<void>(const std::function<void()>& ready)>& serve) {
  CloseInherited(pipe);
  const auto ready = [&pipe] {
    if (!Send(pipe, std::string_view(&kReady, 1))) kill(getpid(), SIGTERM);
    pipe = File();
  };
  auto done = prepare();
  if (done) done = LeaveTerminal();
  if (done) done = serve(ready);
  if (!done && pipe.is_open()) Send(pipe, kFailed + EncodeError(done.error()));
  std::exit(done ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace

Result<pid_t> StartDaemon(const std::function<Result<void>()>& prepare,
                          const std::function<Result<void>(const std::function<void()>& ready)>& serve,
                          const std::atomic<bool>& interrupted) {
  std::array<int, 2> ends = {};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
  const File output(ends[0]);
  File input(ends[1]);
  std::fflush(nullptr);  // or both processes would write what is buffered
  const pid_t child = fork();
  if (child < 0) return SystemError(errno, "fork");
  if (child == 0) RunChild(std::move(input), prepare, serve);
  input = File();  // else Receive would wait for this process too
  const std::string report = Receive(output, interrupted);
  if (interrupted) {
    StopDaemon(child);
    return MakeError(ErrorCode::kInterrupted, "interrupted");
  }
  if (report.starts_with(kReady)) return child;
  if (report.starts_with(kFailed)) return std::unexpected(DecodeError(std::string_view(report).substr(1)));
  return DiedUnexpectedly(child);
}

void StopDaemon(pid_t child) {
  const auto until = std::chrono::steady_clock::now() + kEndTimeout;
  do {
    // Again: the child of a moment ago may still have had this process's handler when the first one came.
    kill(child, SIGTERM);
    if (waitpid(child, nullptr, WNOHANG) != 0) return;  // with SIGCHLD ignored there is nothing to wait for
    std::this_thread::sleep_for(kLookForEnd);
  } while (std::chrono::steady_clock::now() < until);
}

}  // namespace quire
