// SPDX-License-Identifier: Apache-2.0
// The one place where an Error becomes an errno: it is logged with its cause, once, and counted. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// What the caller of a system call is told.
int ErrnoOf(const Error& error);

class ErrnoMap {
 public:
  // The errno of `error`, which it counts, and logs as "CONTEXT: MESSAGE". A line is logged when it is new, and again
  // at its 10th, 100th, ... time with the count: a loader that retries a damaged sample for hours costs a handful of
  // lines.
  int Report(const std::string& context, const Error& error);

  [[nodiscard]] uint64_t reported() const { return reported_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> reported_ = 0;
  Mutex mutex_;
  std::unordered_map<std::string, uint64_t> seen_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
