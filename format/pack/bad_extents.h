// SPDX-License-Identifier: Apache-2.0
// The extents of a pack that cannot be used, and why: what the check of pages tells the check of samples. Thread-safe.
#pragma once

#include <cassert>
#include <map>
#include <string>
#include <utility>

#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/pack/lazy_bits.h"

namespace quire {

class BadExtents {
 public:
  explicit BadExtents(uint64_t extent_count) : is_bad_(extent_count) {}

  void Add(ExtentNumber number, std::string reason) {
    const MutexLock lock(mutex_);
    is_bad_.Set(number);
    if (reasons_.size() < kMaxReasons) reasons_.emplace(number, std::move(reason));
  }

  [[nodiscard]] bool Has(ExtentNumber number) const { return is_bad_.Test(number); }

  // REQUIRES: Has(number).
  [[nodiscard]] std::string ReasonFor(ExtentNumber number) const {
    assert(Has(number));
    const MutexLock lock(mutex_);
    const auto found = reasons_.find(number);
    return found == reasons_.end() ? "extent " + std::to_string(number) + " is damaged" : found->second;
  }

 private:
  static constexpr size_t kMaxReasons = 10'000;  // more than anybody reads: 1 MB

  LazyBits is_bad_;
  mutable Mutex mutex_;
  std::map<ExtentNumber, std::string> reasons_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
