// SPDX-License-Identifier: Apache-2.0
#include "format/import/sparse_map.h"

#include <utility>

#include "format/import/pax_records.h"
#include "format/import/tar_header.h"

namespace quire {

Result<void> AddSparsePiece(uint64_t file_offset, uint64_t length_bytes, std::vector<MemberRun>& pieces) {
  if (pieces.size() == kMaxSparsePieces) return Corrupt("its sparse map has more than {} pieces", kMaxSparsePieces);
  pieces.push_back({.file_offset = file_offset, .offset = 0, .length_bytes = length_bytes});
  return {};
}

Result<void> PlaceSparsePieces(uint64_t size_bytes, uint64_t offset, uint64_t stored_bytes,
                               std::vector<MemberRun>& pieces) {
  size_t runs = 0;
  uint64_t file_end = 0;  // of the last piece
  uint64_t placed_bytes = 0;
  for (const MemberRun& piece : pieces) {
    if (piece.length_bytes == 0) continue;  // GNU tar tells a hole at the end by one
    if (piece.file_offset < file_end) return Corrupt("its sparse map is not in order at byte {}", piece.file_offset);
    if (piece.file_offset > size_bytes || piece.length_bytes > size_bytes - piece.file_offset)
      return Corrupt("its sparse map goes on behind its end, at byte {}", piece.file_offset);
    if (piece.length_bytes > stored_bytes - placed_bytes)
      return Corrupt("its sparse map has more than the {} bytes that are stored", stored_bytes);
    // GNU tar goes on at the next block, libarchive at the next byte. File systems have holes of whole blocks, so no
    // program is known to write such a map.
    if (placed_bytes % kTarBlockBytes != 0)
      return Unsupported("its sparse map has a piece of no whole blocks before byte {}", piece.file_offset);
    const bool is_continued = runs > 0 && piece.file_offset == file_end;
    if (is_continued)
      pieces[runs - 1].length_bytes += piece.length_bytes;
    else
      pieces[runs++] = {
          .file_offset = piece.file_offset, .offset = offset + placed_bytes, .length_bytes = piece.length_bytes};
    file_end = piece.file_offset + piece.length_bytes;
    placed_bytes += piece.length_bytes;
  }
  if (placed_bytes != stored_bytes)
    return Corrupt("its sparse map has {} bytes, and {} are stored", placed_bytes, stored_bytes);
  pieces.resize(runs);
  return {};
}

Result<bool> SparseMapText::Take(std::string_view text, std::vector<MemberRun>& pieces) {
  constexpr size_t kMaxDigits = 20;
  for (const char character : text) {
    if (pieces_left_ == 0) break;
    if (character != '\n') {
      if (digits_.size() == kMaxDigits) return Corrupt("its sparse map has what is no number");
      digits_ += character;
      continue;
    }
    const auto number = DecodeDecimal(digits_);
    if (!number) return Corrupt("its sparse map has what is no number");
    digits_.clear();
    if (auto taken = TakeNumber(*number, pieces); !taken) return Propagate(std::move(taken));
  }
  return pieces_left_ == 0;
}

Result<void> SparseMapText::TakeNumber(uint64_t number, std::vector<MemberRun>& pieces) {
  if (!pieces_left_) {
    if (number > kMaxSparsePieces)
      return Corrupt("its sparse map has {} pieces, of {} at most", number, kMaxSparsePieces);
    pieces_left_ = number;
    return {};
  }
  if (!offset_) {
    offset_ = number;
    return {};
  }
  --*pieces_left_;
  return AddSparsePiece(*std::exchange(offset_, std::nullopt), number, pieces);
}

}  // namespace quire
