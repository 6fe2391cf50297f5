// SPDX-License-Identifier: Apache-2.0
// The extents and segments of a pack in a merged index: those that samples of its newest generation have, with other
// numbers. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

class MergedContents {
 public:
  // What a node of the pack has become in the index; empty where it is not in it.
  using FindMerged = std::function<std::optional<NodeNumber>(NodeNumber number)>;
  // Called between records, of which there may be many; its errors end the work.
  using Rest = std::function<Result<void>()>;

  // `index` and `tables` must outlive it. `first_volume` is added to the volumes of extents. 72 bytes an extent and 8 a
  // segment are spooled to `spool_folder`.
  MergedContents(const Index& index, uint64_t first_volume, FindMerged find_merged, Rest rest, IndexTables& tables,
                 const std::string& spool_folder);

  // Appends to the tables, and gives the nodes that `find_merged` gives their content. REQUIRES: extents in the tables
  // lie in volumes before first_volume; called once.
  Result<void> Take();

 private:
  static constexpr uint64_t kNone = kMaxRecords;

  struct Kept {
    Extent extent;
    ExtentNumber number = 0;  // in the pack
  };

  // Calls `visit` for each node of the pack that is in the index, with what it has become there.
  Result<void> ForEachMerged(const std::function<Result<void>(const Node& node, NodeNumber merged)>& visit);
  Result<void> FindOwners();
  Result<void> OwnSegments(NodeNumber merged, const Node& node);
  Result<void> TakeExtents();
  Result<void> TakeSegments();
  Result<void> SetContents();

  const Index& index_;
  const uint64_t first_volume_;
  const FindMerged find_merged_;
  const Rest rest_;
  IndexTables& tables_;
  Spool<NodeNumber> owners_;     // by extent of the pack: a node of the index that has it, or kNone
  Spool<ExtentNumber> extents_;  // by extent of the pack: its number in the index
  Spool<uint64_t> segments_;     // by segment of the pack: the same, or kNone where no sample has it
  Spool<Kept> kept_;
};

}  // namespace quire
