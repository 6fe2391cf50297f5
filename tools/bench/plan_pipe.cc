// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/plan_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include "format/file.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr int kPollMs = 10;              // how late a stop may be noticed
constexpr double kOpenLimitSeconds = 5;  // a daemon that is to read the pipe opens it within milliseconds
constexpr size_t kChunkBytes = 4096;     // some 100 paths a system call, and as near to the reader as a plan can be

// Without O_NONBLOCK it would wait for a reader that may never come. Not open where none came.
File OpenForWriting(const std::string& path, const std::stop_token& stop) {
  const double deadline = NowSeconds() + kOpenLimitSeconds;
  while (true) {
    File pipe(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (pipe.is_open() || (errno != ENXIO && errno != EINTR)) return pipe;
    if (stop.stop_requested() || NowSeconds() > deadline) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
}

// Whether all of it was written: not where the reader has gone, or was behind when the stop came.
bool WriteAll(const File& pipe, std::string_view text, const std::stop_token& stop) {
  while (!text.empty()) {
    const ssize_t written = write(pipe.fd(), text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN && !stop.stop_requested()) {
      pollfd writable{.fd = pipe.fd(), .events = POLLOUT, .revents = 0};
      poll(&writable, 1, kPollMs);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void BlockBrokenPipeSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

Result<PlanPipe> PlanPipe::Find(const std::string& root) {
  std::string pipe = root + "/.quire/plan";
  struct stat status{};
  if (stat(pipe.c_str(), &status) != 0 || !S_ISFIFO(status.st_mode))
    return MakeError(
        ErrorCode::kNotFound,
        "{}: there is no such pipe: only the root of a mount of Quire takes a plan, and not of every release", pipe);
  auto paths = ListSamplePaths(root);
  if (!paths) return Propagate(std::move(paths));
  return PlanPipe(std::move(pipe), std::move(*paths));
}

uint64_t PlanPipe::Write(std::span<const uint64_t> order, const std::stop_token& stop) const {
  BlockBrokenPipeSignal();
  const File pipe = OpenForWriting(pipe_, stop);
  if (!pipe.is_open()) return 0;
  uint64_t written = 0;
  std::string chunk;
  while (written < order.size()) {
    uint64_t end = written;
    for (chunk.clear(); end < order.size() && chunk.size() < kChunkBytes; ++end)
      chunk.append(paths_[order[end]]).push_back('\0');
    if (!WriteAll(pipe, chunk, stop)) break;
    written = end;
  }
  return written;
}

}  // namespace quire::bench
