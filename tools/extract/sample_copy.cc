// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/sample_copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "format/pack/geometry.h"

namespace quire {
namespace {

// Blocks of usual file systems; where they are larger the kernel refuses.
constexpr uint64_t kShareAlign = 4096;

// The number of pieces from the first on that one read brings: of one page, and none in front of the one before.
size_t CountNeighbours(std::span<const Piece> pieces) {
  size_t count = 1;
  const uint64_t page = pieces.front().offset / kPageBytes;
  while (count < pieces.size() && pieces[count].volume == pieces.front().volume &&
         pieces[count].offset / kPageBytes == page && pieces[count].offset >= pieces[count - 1].offset)
    ++count;
  return count;
}

}  // namespace

void SampleCopy::Read(std::span<const Piece> pieces, const UsePiece& use) {
  bool goes_on = true;
  while (!pieces.empty() && goes_on) {
    const auto neighbours = pieces.first(CountNeighbours(pieces));
    pieces = pieces.subspan(neighbours.size());
    uint64_t begin = UINT64_MAX;  // empty pieces have no bytes, wherever they stand
    uint64_t end = 0;
    for (const Piece& piece : neighbours) {
      if (piece.length_bytes == 0) continue;
      begin = std::min(begin, piece.offset);
      end = std::max(end, piece.offset + piece.length_bytes);
    }
    const auto use_all = [&](std::span<const std::byte> bytes) {
      for (const Piece& piece : neighbours) {
        if (!goes_on) return;
        goes_on = use(piece, piece.length_bytes == 0 ? std::span<const std::byte>()
                                                     : bytes.subspan(piece.offset - begin, piece.length_bytes));
      }
    };
    if (end == 0) {
      use_all({});
      continue;
    }
    if (disk_.Read(neighbours.front().volume, begin, end - begin, use_all)) continue;
    // Perhaps only a part of it is lost: ask for each piece by itself.
    for (const Piece& piece : neighbours) {
      if (!goes_on) break;
      if (piece.length_bytes == 0) {
        goes_on = use(piece, {});
        continue;
      }
      const auto read = disk_.Read(piece.volume, piece.offset, piece.length_bytes,
                                   [&](std::span<const std::byte> bytes) { goes_on = use(piece, bytes); });
      if (!read) goes_on = use(piece, std::unexpected(read.error()));
    }
  }
}

Result<void> SampleCopy::Check(const Extent& extent, std::span<const std::byte> bytes) const {
  if (bytes.size() != extent.length_bytes)
    return Corrupt("{} bytes of an extent of {}", bytes.size(), extent.length_bytes);
  auto right = pack_.CheckExtent(extent, bytes);
  if (right || extent.volume != 0) return right;
  return Corrupt("{} bytes at {} of the pack: checksum mismatch; `quire verify` names all that is damaged",
                 extent.length_bytes, extent.offset);
}

Result<void> SampleCopy::Write(const File& file, uint64_t offset, const Extent& extent,
                               std::span<const std::byte> bytes) {
  if (Share(file, offset, extent)) return {};
  return file.WriteAll(offset, bytes);
}

bool SampleCopy::Share(const File& file, uint64_t offset, const Extent& extent) {
  if (!can_share_.load(std::memory_order_relaxed)) return false;
  if (extent.offset % kShareAlign != 0 || offset % kShareAlign != 0 || extent.length_bytes % kShareAlign != 0)
    return false;
  const auto source = pack_.GetVolumeFd(extent.volume);
  if (!source) return false;
  file_clone_range range{};
  range.src_fd = *source;
  range.src_offset = extent.offset;
  range.src_length = extent.length_bytes;
  range.dest_offset = offset;
  if (ioctl(file.fd(), FICLONERANGE, &range) == 0) return true;
  // Another file system, or one that shares no blocks: so it will be for all others.
  can_share_ = false;
  return false;
}

}  // namespace quire
