// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/trace_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fs/inodes.h"

namespace quire {
namespace {

using std::chrono::milliseconds;

// As plan_pipe.cc: from a look-up to the open that it belongs to, and then ever more seldom glances.
constexpr milliseconds kPatience{50};
constexpr milliseconds kLongestBetweenLooks{64'000};
// How long records wait in the ring. A fifth of the time in which the fastest mount measured, 140,000 reads a second,
// would fill a tenth of it.
constexpr int kDrainEveryMs = 10;
// What an ordinary user may have of a pipe (/proc/sys/fs/pipe-max-size): 18,000 records, an eighth of a second of
// these.
constexpr int kPipeBytes = 1 << 20;
constexpr const char* kThreadName = "quire-trace";

}  // namespace

TracePipe::TracePipe(ReadTrace& trace, std::string mount_point, std::function<TraceHeader()> make_header)
    : trace_(trace), mount_point_(std::move(mount_point)), make_header_(std::move(make_header)) {}

Result<void> TracePipe::Start(dev_t device) {
  device_ = device;
  return thread_.Start(kThreadName, [this](const std::stop_token& stop) { Run(stop); });
}

void TracePipe::Run(const std::stop_token& stop) {
  milliseconds between_looks = kLongestBetweenLooks;
  while (!stop.stop_requested()) {
    // Long after the last look-up there is nobody to wait for.
    const bool is_new = between_looks < kLongestBetweenLooks ? thread_.Sleep(stop, between_looks) : thread_.Sleep(stop);
    if (stop.stop_requested()) return;
    between_looks = is_new ? 2 * kPatience : std::min(2 * between_looks, kLongestBetweenLooks);
    RunStep(kThreadName, [&] {
      if (const File pipe = AwaitReader(is_new ? kPatience : milliseconds(0), stop); pipe.is_open()) Record(pipe, stop);
      const File reader = Open(O_RDONLY);  // for a program that waits for one
    });
    trace_.SwitchOff();
    thread_.ForgetWakes();  // ours were look-ups too
  }
}

// Empty where what is seen there is not our pipe (the mount may be hidden, or gone), or has no reader.
File TracePipe::Open(int access_mode) const {
  const std::string path = fmt::format("{}/{}/{}", mount_point_, kControlFolderName, kTraceName);
  File pipe(open(path.c_str(), access_mode | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (!pipe.is_open() || fstat(pipe.fd(), &status) != 0 || !S_ISFIFO(status.st_mode) || status.st_dev != device_)
    return {};
  return pipe;
}

File TracePipe::AwaitReader(milliseconds patience, const std::stop_token& stop) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    File pipe = Open(O_WRONLY);
    if (pipe.is_open() || stop.stop_requested() || std::chrono::steady_clock::now() >= until) return pipe;
    std::this_thread::sleep_for(milliseconds(1));
  }
}

void TracePipe::Record(const File& pipe, const std::stop_token& stop) {
  fcntl(pipe.fd(), F_SETPIPE_SZ, kPipeBytes);  // where it may not be, more is lost
  if (!trace_.SwitchOn()) {
    spdlog::warn("trace: there is no memory for it");
    return;
  }
  spdlog::info("trace: a recording begins");
  bytes_ = EncodeTraceHeader(make_header_());
  uint64_t recorded = 0;
  uint64_t lost = 0;
  while (WriteAll(pipe, bytes_, stop)) {
    bytes_.clear();
    do {
      records_.clear();
      trace_.Take(records_, kMostChunkRecords);
      if (!records_.empty()) AppendTraceRecords(records_, bytes_);
      recorded += records_.size();
    } while (records_.size() == kMostChunkRecords && bytes_.size() < static_cast<size_t>(kPipeBytes) / 2);
    if (const uint64_t more = trace_.TakeLost()) {
      AppendTraceLost(more, bytes_);
      lost += more;
    }
    if (!bytes_.empty() && records_.size() == kMostChunkRecords) continue;  // there is more
    pollfd gone = {pipe.fd(), 0, 0};
    if (poll(&gone, 1, kDrainEveryMs) > 0) break;
  }
  trace_.SwitchOff();
  spdlog::info("trace: a recording of {} reads ends, {} were lost", recorded, lost);
}

bool TracePipe::WriteAll(const File& pipe, std::span<const std::byte> bytes, const std::stop_token& stop) {
  while (!bytes.empty()) {
    if (stop.stop_requested()) return false;
    const ssize_t written = write(pipe.fd(), bytes.data(), bytes.size());  // signals are blocked: SIGPIPE too
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable = {pipe.fd(), POLLOUT, 0};
      poll(&writable, 1, kDrainEveryMs);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return !stop.stop_requested();
}

}  // namespace quire
