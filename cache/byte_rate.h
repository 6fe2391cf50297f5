// SPDX-License-Identifier: Apache-2.0
// Not more than so many bytes a second, whatever the number of threads that move them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "format/mutex.h"

namespace quire {

// Thread-safe.
class ByteRate {
 public:
  // 0: no limit.
  explicit ByteRate(uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  // Takes `bytes`, at most a page, and returns how long to wait before they are moved.
  std::chrono::nanoseconds Take(uint64_t bytes) QUIRE_EXCLUDES(mutex_) {
    if (bytes_per_s_ == 0) return {};
    const MutexLock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const auto begin = std::max(next_, now);
    next_ = begin + std::chrono::nanoseconds(bytes * 1'000'000'000 / bytes_per_s_);
    return begin - now;
  }

 private:
  const uint64_t bytes_per_s_;
  Mutex mutex_;
  std::chrono::steady_clock::time_point next_ QUIRE_GUARDED_BY(mutex_);  // from when on there is room for more
};

}  // namespace quire
