// SPDX-License-Identifier: Apache-2.0
#include "format/import/header_window.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "format/pack/geometry.h"

namespace quire {

HeaderWindow::HeaderWindow(const File& file, uint64_t size_bytes)
    : file_(file), size_bytes_(size_bytes), buffer_(std::make_unique_for_overwrite<std::byte[]>(kMostBytes)) {
  assert(size_bytes <= kMaxSampleBytes);
}

Result<void> HeaderWindow::Copy(uint64_t offset, std::span<std::byte> into) const {
  assert(offset <= size_bytes_ && into.size() <= size_bytes_ - offset);
  if (offset < begin_ || offset > end_ || into.size() > end_ - offset) return Read(offset, into);
  std::memcpy(into.data(), buffer_.get() + (offset - begin_), into.size());
  return {};
}

Result<void> HeaderWindow::Fill(uint64_t offset) {
  assert(offset <= size_bytes_);
  // Reads grow as those of the kernel do when it reads ahead, so that a single short distance costs little.
  const bool is_near = offset >= begin_ && (offset <= end_ || offset - end_ <= kNearBytes);
  fill_bytes_ = is_near ? std::min(fill_bytes_ * 4, kMostBytes) : kLeastBytes;
  const uint64_t length = std::min<uint64_t>(fill_bytes_, size_bytes_ - offset);
  begin_ = end_ = 0;  // the buffer holds nothing if this fails
  if (auto read = Read(offset, {buffer_.get(), length}); !read) return read;
  begin_ = offset;
  end_ = offset + length;
  return {};
}

Result<void> HeaderWindow::Read(uint64_t offset, std::span<std::byte> into) const {
  const auto got = file_.ReadUpTo(offset, into);
  if (!got) return std::unexpected(got.error());
  if (*got != into.size())
    return MakeError(ErrorCode::kUnreadable, "the archive has become shorter: it had {} bytes and now ends at byte {}",
                     size_bytes_, offset + *got);
  return {};
}

}  // namespace quire
