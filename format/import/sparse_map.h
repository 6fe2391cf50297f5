// SPDX-License-Identifier: Apache-2.0
// The map of a sparse file in a tar archive: which pieces of the file are stored, one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/import/archive.h"
#include "format/result.h"

namespace quire {

// Each is 24 bytes of memory here. A file of 1 TiB that has a hole in every MiB has as many.
inline constexpr size_t kMaxSparsePieces = 1 << 20;

// Adds a piece as a map tells it; the error (kCorrupt) says that there are too many.
Result<void> AddSparsePiece(uint64_t file_offset, uint64_t length_bytes, std::vector<MemberRun>& pieces);

// Makes the runs of a file of `size_bytes` out of the pieces of its map, whose `stored_bytes` lie at `offset` of the
// archive. Pieces that follow each other become one run. The error says how the map contradicts itself, the size or
// what is stored (kCorrupt), or that programs read it differently (kUnsupported). REQUIRES: offset + stored_bytes fits.
Result<void> PlaceSparsePieces(uint64_t size_bytes, uint64_t offset, uint64_t stored_bytes,
                               std::vector<MemberRun>& pieces);

// The map of pax sparse 1.0, which is text: "COUNT\n", and "OFFSET\nLENGTH\n" for each piece.
class SparseMapText {
 public:
  // Adds to `pieces` what `text`, the next of the map, completes; whether the map is complete. What stands behind its
  // end is not looked at.
  Result<bool> Take(std::string_view text, std::vector<MemberRun>& pieces);

 private:
  Result<void> TakeNumber(uint64_t number, std::vector<MemberRun>& pieces);

  std::optional<uint64_t> pieces_left_;
  std::optional<uint64_t> offset_;  // of a piece whose length is to come
  std::string digits_;
};

}  // namespace quire
