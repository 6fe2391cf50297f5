// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/errno_map.h"

#include <spdlog/spdlog.h>

#include <cerrno>

namespace quire {
namespace {

// Distinct lines that are remembered, some 200 bytes each. Past that the log has said enough of this mount.
constexpr size_t kMaxLines = 4096;

constexpr bool IsPowerOfTen(uint64_t number) {
  while (number % 10 == 0) number /= 10;
  return number == 1;
}

}  // namespace

int ErrnoOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kUnreadable:
      return EIO;
    case ErrorCode::kNotFound:
      return ENOENT;
    case ErrorCode::kInvalid:
      return EINVAL;
    case ErrorCode::kInterrupted:
      return EINTR;
    case ErrorCode::kSystem:
      break;
  }
  switch (error.system_errno) {
    case ENOMEM:
    case ENFILE:     // more control files than are kept
    case ESTALE:     // the pack lies on NFS and was replaced there
    case ETIMEDOUT:  // or its server is gone
      return error.system_errno;
    default:
      return EIO;  // the rest, such as EBADF, would speak of the daemon's descriptors and not of the caller's
  }
}

int ErrnoMap::Report(const std::string& context, const Error& error) {
  reported_.fetch_add(1, std::memory_order_relaxed);
  const int number = ErrnoOf(error);
  const std::string line = context + ": " + error.message;
  uint64_t times = 0;
  bool last_line = false;
  {
    const MutexLock lock(mutex_);
    if (seen_.size() >= kMaxLines && !seen_.contains(line)) return number;
    times = ++seen_[line];
    last_line = times == 1 && seen_.size() == kMaxLines;
  }
  if (times == 1) spdlog::error("{}", line);
  if (times > 1 && IsPowerOfTen(times)) spdlog::error("{} ({} times)", line, times);
  if (last_line) spdlog::error("{} different errors so far: new ones are counted and no longer logged", kMaxLines);
  return number;
}

}  // namespace quire
