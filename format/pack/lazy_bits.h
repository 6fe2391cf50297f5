// SPDX-License-Identifier: Apache-2.0
// A fixed number of bits, all clear at first, whose memory is used where one is set. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "format/zeroed_array.h"

namespace quire {

class LazyBits {
 public:
  explicit LazyBits(uint64_t count) : words_(count / 64 + 1) {}

  // REQUIRES of both: bit < count. Who sees a bit set sees what its setter wrote before.
  [[nodiscard]] bool Test(uint64_t bit) const {
    return (words_[bit / 64].load(std::memory_order_acquire) >> (bit % 64) & 1) != 0;
  }
  void Set(uint64_t bit) { words_[bit / 64].fetch_or(uint64_t{1} << (bit % 64), std::memory_order_release); }

 private:
  ZeroedArray<std::atomic<uint64_t>> words_;
};

}  // namespace quire
