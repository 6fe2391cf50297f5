// SPDX-License-Identifier: Apache-2.0
// What files of an index have that does not lie in their archives: a number as text, a header before pixels. It is
// volume 0 of the index, in extents as those of a pack.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"
#include "format/pack/geometry.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

// Not thread-safe. Memory: 1 MiB, and what is as long as an extent; 24 bytes a piece are spooled.
class MadeContent {
 public:
  // What one extent of any page can hold.
  static constexpr uint64_t kMaxPieceBytes = kPageBytes - kDataBegin;

  // `output`, where the index will lie, outlives this.
  MadeContent(const File& output, const std::string& spool_folder) : output_(output), pieces_(spool_folder) {}

  // Keeps `bytes`, and returns their number: 0 and up. REQUIRES: 1 to kMaxPieceBytes of them.
  Result<uint64_t> Add(std::string_view bytes);

  // Adds the extent of a piece to `tables`, with its sum, as content of `node`, and returns its number. REQUIRES:
  // pieces are given in their order.
  Result<ExtentNumber> AddExtent(uint64_t piece, NodeNumber node, IndexTables& tables) const;

  // Writes what is still in memory. REQUIRES: nothing is added later.
  Result<void> Finish() { return Flush(); }

  // Where volume 0 ends.
  [[nodiscard]] uint64_t end() const { return pending_begin_ + pending_.size(); }

 private:
  struct Piece {
    uint64_t offset = 0;
    uint64_t length_bytes = 0;
    uint64_t sum = 0;
  };

  Result<void> Flush();

  const File& output_;
  Spool<Piece> pieces_;
  std::vector<std::byte> pending_;
  uint64_t pending_begin_ = kDataBegin;
};

}  // namespace quire
