// SPDX-License-Identifier: Apache-2.0
#include "format/import/header_window.h"

#include <algorithm>
#include <cassert>

#include "format/pack/geometry.h"

namespace quire {

HeaderWindow::HeaderWindow(const File& file, uint64_t size_bytes)
    : file_(file), size_bytes_(size_bytes), window_(file, size_bytes, kMostBytes) {
  assert(size_bytes <= kMaxSampleBytes);
}

Result<std::span<const std::byte>> HeaderWindow::At(uint64_t offset, size_t length) {
  assert(length <= kLeastBytes);
  if (!window_.Has(offset, length)) {
    // Reads grow as those of the kernel do when it reads ahead, so that a single short distance costs little.
    const bool is_near = offset >= window_.begin() && offset <= window_.end_in_memory() + kNearBytes;
    ahead_bytes_ = is_near ? std::min(ahead_bytes_ * 4, kMostBytes) : kLeastBytes;
  }
  auto got = window_.Get(offset, length, ahead_bytes_);
  if (!got) return got;
  if (auto whole = CheckLength(offset, got->size(), length); !whole) return Propagate(std::move(whole));
  return got;
}

Result<void> HeaderWindow::Copy(uint64_t offset, std::span<std::byte> into) {
  assert(offset <= size_bytes_ && into.size() <= size_bytes_ - offset);
  if (window_.Has(offset, into.size())) {
    const auto held = window_.Get(offset, into.size(), 0);
    if (!held) return std::unexpected(held.error());
    std::ranges::copy(*held, into.begin());
    return {};
  }
  const auto got = file_.ReadUpTo(offset, into);
  return got ? CheckLength(offset, *got, into.size()) : std::unexpected(got.error());
}

Result<void> HeaderWindow::CheckLength(uint64_t offset, size_t got, size_t wanted) const {
  if (got == wanted) return {};
  return MakeError(ErrorCode::kUnreadable, "the archive has become shorter: it had {} bytes and now ends at byte {}",
                   size_bytes_, offset + got);
}

}  // namespace quire
