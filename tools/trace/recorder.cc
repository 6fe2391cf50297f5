// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/recorder.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "format/escaping.h"
#include "fs/inodes.h"
#include "fs/trace/trace_format.h"

namespace quire {
namespace {

constexpr size_t kReadBytes = 1 << 20;             // what the daemon's pipe holds
constexpr std::chrono::seconds kAnswerTimeout(5);  // a daemon that runs looks for a reader within milliseconds
constexpr int kWaitMs = 100;
// The daemon writes every 10 ms: after so long without a byte all that was read before has come.
constexpr int kQuietMs = 50;
constexpr std::chrono::seconds kLongestEnd(1);  // where reads go on meanwhile

std::string ControlPath(const std::string& mount_point, std::string_view name) {
  return fmt::format("{}/{}/{}", mount_point, kControlFolderName, name);
}

// What the mount tells of itself; empty where it tells nothing, or more than a trace has room for.
std::string ReadStats(const std::string& mount_point) {
  const auto file = File::Open(ControlPath(mount_point, "stats"), O_RDONLY);
  if (!file) return "";
  std::vector<std::byte> bytes(kMostTraceChunkBytes);
  const auto count = file->ReadUpTo(0, bytes);
  if (!count || *count == bytes.size()) return "";
  return {reinterpret_cast<const char*>(bytes.data()), *count};
}

Result<File> OpenPipe(const std::string& mount_point) {
  const std::string path = ControlPath(mount_point, kTraceName);
  File pipe(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  struct stat status = {};
  if (!pipe.is_open() && errno != ENOENT && errno != ENOTDIR) return SystemError(errno, "'{}'", EscapeName(path));
  if (!pipe.is_open() || fstat(pipe.fd(), &status) != 0 || !S_ISFIFO(status.st_mode))
    return MakeError(ErrorCode::kNotFound,
                     "'{}' is not the root of a mount whose daemon records reads: name the folder where a pack is "
                     "mounted, by this release",
                     EscapeName(mount_point));
  return pipe;
}

// Of the whole file, of the process.
struct flock WholeFile(short kind) {
  struct flock lock = {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  return lock;
}

Result<std::optional<pid_t>> HolderOf(const File& pipe) {
  struct flock lock = WholeFile(F_WRLCK);
  if (fcntl(pipe.fd(), F_GETLK, &lock) != 0) return SystemError(errno, "the lock of a recorder");
  if (lock.l_type == F_UNLCK) return std::nullopt;
  if (lock.l_pid <= 0)
    return MakeError(ErrorCode::kSystem, "the mount is recorded by a process of another container: stop it there");
  return lock.l_pid;
}

}  // namespace

Result<Recorder> Recorder::Open(const std::string& mount_point, const std::string& path, bool replace) {
  std::string stats = ReadStats(mount_point);
  auto pipe = OpenPipe(mount_point);
  if (!pipe) return Propagate(std::move(pipe));
  if (flock(pipe->fd(), LOCK_EX | LOCK_NB) != 0) {
    const auto holder = HolderOf(*pipe);
    return MakeError(ErrorCode::kSystem, "'{0}' is being recorded already{1}: 'quire trace stop {0}' ends it",
                     EscapeName(mount_point),
                     holder && *holder ? fmt::format(", by process {}", **holder) : std::string());
  }
  struct flock lock = WholeFile(F_RDLCK);
  if (fcntl(pipe->fd(), F_SETLK, &lock) != 0) return SystemError(errno, "the lock of a recorder");
  const int flags = O_WRONLY | O_CREAT | (replace ? O_TRUNC : O_EXCL);
  auto output = File::Open(path, flags, 0666);
  if (!output && output.error().system_errno == EEXIST)
    return MakeError(ErrorCode::kSystem, "'{}' is there already; --force replaces it", EscapeName(path));
  if (!output) return Propagate(std::move(output));
  return Recorder(mount_point, path, *std::move(pipe), *std::move(output), std::move(stats));
}

Result<void> Recorder::Begin(const std::atomic<bool>& stop) {
  const auto until = std::chrono::steady_clock::now() + kAnswerTimeout;
  while (!has_header_) {
    if (stop) return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (std::chrono::steady_clock::now() > until)
      return MakeError(ErrorCode::kSystem, "the daemon of '{}' does not answer", EscapeName(mount_point_));
    // Before the daemon has it open there is an end, too.
    const auto taken = Take(kWaitMs);
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) poll(nullptr, 0, 1);
    if (auto written = WriteWhole(); !written) return written;
  }
  if (stats_at_begin_.empty()) return {};
  std::vector<std::byte> chunk;
  AppendTraceStats(TraceChunk::kStatsBegin, stats_at_begin_, chunk);
  return Write(chunk);
}

Result<void> Recorder::Run(const std::atomic<bool>& stop) {
  std::optional<std::chrono::steady_clock::time_point> end_by;
  while (true) {
    if (stop && !end_by) end_by = std::chrono::steady_clock::now() + kLongestEnd;
    const auto taken = Take(end_by ? kQuietMs : kWaitMs);
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) return {};  // the mount has ended
    if (auto written = WriteWhole(); !written) return written;
    if (end_by && (**taken == 0 || std::chrono::steady_clock::now() > *end_by)) break;
  }
  const std::string stats = ReadStats(mount_point_);
  if (stats.empty()) return {};
  std::vector<std::byte> chunk;
  AppendTraceStats(TraceChunk::kStatsEnd, stats, chunk);
  return Write(chunk);
}

Result<std::optional<size_t>> Recorder::Take(int wait_ms) {
  pollfd readable = {pipe_.fd(), POLLIN, 0};
  if (poll(&readable, 1, wait_ms) <= 0) return size_t{0};  // a signal too
  const size_t before = pending_.size();
  pending_.resize(before + kReadBytes);
  const ssize_t count = read(pipe_.fd(), pending_.data() + before, kReadBytes);
  const int error_number = errno;
  pending_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0) return std::nullopt;
  if (MayPass(error_number)) return size_t{0};
  return SystemError(error_number, "'{}'", EscapeName(ControlPath(mount_point_, kTraceName)));
}

Result<void> Recorder::WriteWhole() {
  const auto whole = CountWholeTraceBytes(pending_, has_header_);
  if (!whole) return std::unexpected(whole.error());
  auto written = Write(std::span(std::as_const(pending_)).first(*whole));
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(*whole));
  return written;
}

Result<void> Recorder::Write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  if (auto written = output_.WriteAll(written_bytes_, bytes); !written)
    return MakeError(written.error().code, "'{}': {}", EscapeName(path_), written.error().message);
  written_bytes_ += bytes.size();
  return {};
}

Result<std::optional<pid_t>> FindRecorder(const std::string& mount_point) {
  const auto pipe = OpenPipe(mount_point);
  if (!pipe) return std::unexpected(pipe.error());
  return HolderOf(*pipe);
}

}  // namespace quire
