// SPDX-License-Identifier: Apache-2.0
#include "format/import/made_content.h"

#include <cassert>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr size_t kWriteBytes = 1 << 20;  // as the index is written

}  // namespace

Result<uint64_t> MadeContent::Add(std::string_view text) {
  assert(!text.empty() && text.size() <= kMaxPieceBytes);
  const auto bytes = AsBytes(text);
  uint64_t offset = AlignUp(end(), kExtentAlign);
  if (offset % kPageBytes + bytes.size() > kPageBytes) offset = AlignUp(offset, kPageBytes);
  if (offset + bytes.size() > kMaxVolumeBytes)
    return Unsupported("more than {} bytes made of archives", kMaxVolumeBytes);
  pending_.resize(offset - pending_begin_);
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  if (pending_.size() >= kWriteBytes)
    if (auto flushed = Flush(); !flushed) return Propagate(std::move(flushed));
  if (auto added = pieces_.Append({.offset = offset, .length_bytes = bytes.size(), .sum = Xxh3(bytes)}); !added)
    return Propagate(std::move(added));
  return pieces_.size() - 1;
}

Result<ExtentNumber> MadeContent::AddExtent(uint64_t number, NodeNumber node, IndexTables& tables) const {
  const Piece& piece = pieces_[number];
  assert(tables.extents.empty() || tables.extents[tables.extents.size() - 1].offset < piece.offset);
  auto added = tables.extents.Append({.offset = piece.offset,
                                      .volume = 0,
                                      .length_bytes = static_cast<uint32_t>(piece.length_bytes),
                                      .node = node,
                                      .sum = piece.sum});
  if (!added) return Propagate(std::move(added));
  return tables.extents.size() - 1;
}

Result<void> MadeContent::Flush() {
  if (auto written = output_.WriteAll(pending_begin_, pending_); !written) return written;
  pending_begin_ += pending_.size();
  pending_.clear();
  return {};
}

}  // namespace quire
