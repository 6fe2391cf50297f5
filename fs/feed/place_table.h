// SPDX-License-Identifier: Apache-2.0
// Where in a plan a node stands: its place by its number, for a window of places. The table's size is that of the
// window, whatever the number of nodes: a table with an entry for each node would grow with the pack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "format/pack/geometry.h"
#include "format/zeroed_array.h"

namespace quire {

// Open addressing with linear probing; an erased entry leaves no trace. Not thread-safe; allocates nothing.
class PlaceTable {
 public:
  // Three quarters of the table, so that a search looks at a few entries only.
  static constexpr uint64_t kMaxEntries = uint64_t{3} << 16;

  PlaceTable() : entries_(kEntries) {}

  // The low bits of the node's place, which are exact for places that are less than kMaxEntries apart.
  static constexpr uint64_t kPlaceMask = (uint64_t{1} << 24) - 1;
  [[nodiscard]] std::optional<uint64_t> FindLowPlace(NodeNumber node) const;

  // In the stead of what the table knows of the node. REQUIRES: fewer than kMaxEntries nodes are in the table.
  void Set(NodeNumber node, uint64_t place);
  // Nothing where the table has another place of the node.
  void Erase(NodeNumber node, uint64_t place);

  [[nodiscard]] uint64_t count() const { return count_; }
  // Memory that was written to.
  [[nodiscard]] uint64_t memory_bytes() const { return is_used_ ? kEntries * sizeof(uint64_t) : 0; }

 private:
  static constexpr unsigned kEntryBits = 18;
  static constexpr size_t kEntries = size_t{1} << kEntryBits;
  static_assert(kMaxEntries < kEntries && kMaxEntries <= kPlaceMask);
  static_assert(kMaxRecords < uint64_t{1} << 40, "a node's number + 1 and 24 bits of a place are one entry");

  [[nodiscard]] static size_t HomeOf(NodeNumber node);
  [[nodiscard]] static uint64_t Encode(NodeNumber node, uint64_t place);
  [[nodiscard]] static NodeNumber NodeIn(uint64_t entry);
  // The index of the node's entry, or of the empty one where it would stand.
  [[nodiscard]] size_t Find(NodeNumber node) const;

  ZeroedArray<uint64_t> entries_;  // 0: empty
  uint64_t count_ = 0;
  bool is_used_ = false;
};

}  // namespace quire
