// SPDX-License-Identifier: Apache-2.0
// Memory for copies that are made and done with in one order: a fixed amount, taken from the kernel at once and given
// back at once.
#pragma once

#include <cstddef>
#include <span>

#include "format/zeroed_array.h"

namespace quire {

// Not thread-safe; but memory that was taken may be written to and read by any thread.
class CopyRing {
 public:
  // Throws std::bad_alloc where there is not so much memory: none is missing later, when a thread writes to it that
  // must not wait for memory.
  explicit CopyRing(size_t bytes);

  [[nodiscard]] size_t size_bytes() const { return size_bytes_; }

  // A piece of so many bytes; empty where there is no room. Where the pieces that are taken, and twice the largest of
  // all, are no more than the ring, there is room. REQUIRES: bytes > 0.
  std::span<std::byte> Take(size_t bytes);
  // REQUIRES: `piece` is the oldest that was taken and not returned.
  void Return(std::span<std::byte> piece);

 private:
  const size_t size_bytes_;
  ZeroedArray<std::byte> memory_;
  size_t taken_ = 0;  // pieces
  size_t begin_ = 0;  // of the oldest piece
  size_t end_ = 0;    // of the newest
};

}  // namespace quire
