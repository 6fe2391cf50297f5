// SPDX-License-Identifier: Apache-2.0
#include "fs/life/unmounter.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "fs/guard/privileges.h"
#include "fs/guard/syscall_filter.h"
#include "fs/life/error_report.h"

namespace quire {
namespace {

// A request is one of these bytes. The answer is one message: kDone, or kFailed and an error.
constexpr char kIfIdle = 'i';
constexpr char kDetach = 'd';
constexpr char kDone = 'D';
constexpr char kFailed = 'F';
constexpr size_t kMaxAnswerBytes = PIPE_BUF;

constexpr const char* kName = "quire-unmounter";  // at most 15 bytes, as prctl(2) wants

// A message of the other process; empty when that has ended.
std::string Receive(int channel) {
  std::string message(kMaxAnswerBytes, '\0');
  ssize_t bytes = 0;
  // Unmount holds a lock meanwhile, which keeps a request and its answer together.
  // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection)
  while ((bytes = recv(channel, message.data(), message.size(), 0)) < 0 && errno == EINTR) continue;
  message.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return message;
}

bool Send(int channel, std::string_view message) {
  message = message.substr(0, kMaxAnswerBytes);
  ssize_t sent = 0;
  while ((sent = send(channel, message.data(), message.size(), MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
  return sent >= 0;
}

// In the arguments, which a fork has of the daemon: whoever looks for the daemon by them must find one process.
void ShowName() {
  std::ifstream file("/proc/self/cmdline");
  const std::string arguments(std::istreambuf_iterator<char>(file), {});
  if (arguments.size() > std::strlen(kName) && arguments.starts_with(program_invocation_name)) {
    std::memset(program_invocation_name, 0, arguments.size());
    std::memcpy(program_invocation_name, kName, std::strlen(kName) + 1);
  }
  prctl(PR_SET_NAME, kName, 0, 0, 0);
}

// All that came along but the channel, which becomes descriptor 3.
void LetGo(const File& channel) {
  const File null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (channel.fd() != STDERR_FILENO + 1) dup3(channel.fd(), STDERR_FILENO + 1, O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (!null.is_open() || dup2(null.fd(), stream) < 0) close(stream);
  closefrom(STDERR_FILENO + 2);
  static_cast<void>(!chdir("/"));
  setsid();
}

// Its end is that of the daemon, which those who stop a service or press Ctrl-C do not wait for.
void IgnoreSignals() {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGTSTP})
    sigaction(signal, &ignore, nullptr);
}

[[noreturn]] void Run(const File& daemon, const std::string& mount_point) {
  ShowName();
  LetGo(daemon);
  IgnoreSignals();
  if (MayMount()) {
    KeepUnmountingPrivileges();
    FilterUnmountingCalls();
  }
  constexpr int kChannel = STDERR_FILENO + 1;
  Send(kChannel, std::string_view(&kDone, 1));  // for Start
  while (true) {
    const std::string request = Receive(kChannel);
    if (request.size() != 1) _exit(0);
    const auto unmounted = Unmount(mount_point, request[0] == kDetach ? UnmountMode::kDetach : UnmountMode::kIfIdle);
    Send(kChannel, unmounted ? std::string(1, kDone) : kFailed + EncodeError(unmounted.error()));
  }
}

}  // namespace

Result<Unmounter> Unmounter::Start(const std::string& mount_point) {
  std::array<int, 2> ends = {};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return SystemError(errno, "socketpair");
  File ours(ends[0]);
  File theirs(ends[1]);
  const pid_t process = fork();
  if (process < 0) return SystemError(errno, "fork");
  if (process == 0) {
    try {
      Run(theirs, mount_point);
    } catch (...) {
      _exit(1);
    }
  }
  theirs = File();  // else Receive would not see the end of the process
  // Until it has let go, and has a name of its own, it passes for the daemon.
  const int channel = ours.fd();
  Unmounter unmounter(mount_point, std::move(ours), process);
  if (Receive(channel).empty())
    return MakeError(ErrorCode::kSystem, "process {}, which unmounts for the daemon, has ended at once", process);
  return unmounter;
}

Unmounter::Unmounter(std::string mount_point, File channel, pid_t process)
    : mount_point_(std::move(mount_point)), channel_(std::move(channel)), process_(process) {}

Unmounter::Unmounter(Unmounter&& other) noexcept
    : mount_point_(other.mount_point_), channel_(std::move(other.channel_)), process_(other.process_) {}

Unmounter::~Unmounter() {
  if (!channel_.is_open()) return;
  channel_ = File();
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
}

Result<void> Unmounter::Unmount(UnmountMode mode) {
  const MutexLock lock(mutex_);
  const char request = mode == UnmountMode::kDetach ? kDetach : kIfIdle;
  const std::string answer =
      Send(channel_.fd(), std::string_view(&request, 1)) ? Receive(channel_.fd()) : std::string();
  if (answer.starts_with(kDone)) return {};
  if (answer.starts_with(kFailed)) return std::unexpected(DecodeError(std::string_view(answer).substr(1)));
  return MakeError(ErrorCode::kSystem,
                   "'{0}' was not unmounted: process {1}, which does it for the daemon, has ended; run 'quire umount "
                   "--lazy {0}'",
                   mount_point_, process_);
}

}  // namespace quire
