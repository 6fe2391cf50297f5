// SPDX-License-Identifier: Apache-2.0
// Pages that will be read ahead, in order, as many as it was made for. Not thread-safe. Allocates in its constructor
// only.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace quire {

class PrefetchQueue {
 public:
  explicit PrefetchQueue(size_t capacity) : pages_(std::max<size_t>(1, capacity)) {}

  [[nodiscard]] bool is_full() const { return count_ == pages_.size(); }
  // REQUIRES: not full.
  void Push(uint64_t page) {
    assert(!is_full());
    pages_[(first_ + count_++) % pages_.size()] = page;
  }
  std::optional<uint64_t> Pop() {
    if (count_ == 0) return std::nullopt;
    const uint64_t page = pages_[first_];
    first_ = (first_ + 1) % pages_.size();
    --count_;
    return page;
  }

 private:
  std::vector<uint64_t> pages_;  // a ring
  size_t first_ = 0;
  size_t count_ = 0;
};

}  // namespace quire
