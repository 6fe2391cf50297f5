// SPDX-License-Identifier: Apache-2.0
// A piece of a file in memory, for readers that go through records of a file and must not read each by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Not thread-safe. Allocates once.
class FileWindow {
 public:
  // Nothing at `end` of `file` or behind it is read. `file` outlives the window.
  FileWindow(const File& file, uint64_t end, size_t capacity_bytes);

  // The `bytes` at `offset`, which are valid until the next call; fewer only where the file has become shorter. What
  // the window lacks is read: from `offset` on, `ahead_bytes` or as many as are asked for, at most what it can hold.
  // REQUIRES: `offset + bytes` is at most `end`, and `bytes` at most the capacity.
  Result<std::span<const std::byte>> Get(uint64_t offset, size_t bytes, size_t ahead_bytes);

  // What the window has now, in the file.
  [[nodiscard]] uint64_t begin() const { return begin_; }
  [[nodiscard]] uint64_t end_in_memory() const { return begin_ + filled_; }
  [[nodiscard]] bool Has(uint64_t offset, size_t bytes) const {
    return offset >= begin_ && offset <= end_in_memory() && bytes <= end_in_memory() - offset;
  }

 private:
  const File& file_;
  uint64_t end_;
  size_t capacity_;
  std::unique_ptr<std::byte[]> buffer_;
  uint64_t begin_ = 0;
  size_t filled_ = 0;
};

}  // namespace quire
