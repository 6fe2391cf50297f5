// SPDX-License-Identifier: Apache-2.0
#include "format/import/file_window.h"

#include <algorithm>
#include <cassert>

namespace quire {

FileWindow::FileWindow(const File& file, uint64_t end, size_t capacity_bytes)
    : file_(file),
      end_(end),
      capacity_(capacity_bytes),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(capacity_bytes)) {}

Result<std::span<const std::byte>> FileWindow::Get(uint64_t offset, size_t bytes, size_t ahead_bytes) {
  assert(offset <= end_ && bytes <= end_ - offset && bytes <= capacity_);
  if (!Has(offset, bytes)) {
    begin_ = offset;
    filled_ = 0;
    const auto wanted = std::min<uint64_t>({std::max(bytes, ahead_bytes), capacity_, end_ - offset});
    auto got = file_.ReadUpTo(offset, {buffer_.get(), wanted});
    if (!got) return Propagate(std::move(got));
    filled_ = *got;
  }
  const std::span held(buffer_.get() + (offset - begin_), end_in_memory() - offset);
  return held.first(std::min(bytes, held.size()));
}

}  // namespace quire
