// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/place_table.h"

#include <cassert>

namespace quire {
namespace {

constexpr unsigned kPlaceBits = 24;

}  // namespace

// By the golden ratio (Knuth, The Art of Computer Programming 3, 6.4): neighbours land far from each other.
size_t PlaceTable::HomeOf(NodeNumber node) { return (node * 0x9E37'79B9'7F4A'7C15) >> (64 - kEntryBits); }

uint64_t PlaceTable::Encode(NodeNumber node, uint64_t place) { return (node + 1) << kPlaceBits | (place & kPlaceMask); }

NodeNumber PlaceTable::NodeIn(uint64_t entry) { return (entry >> kPlaceBits) - 1; }

size_t PlaceTable::Find(NodeNumber node) const {
  size_t at = HomeOf(node);
  while (entries_[at] != 0 && NodeIn(entries_[at]) != node) at = (at + 1) % kEntries;
  return at;
}

std::optional<uint64_t> PlaceTable::FindLowPlace(NodeNumber node) const {
  const uint64_t entry = entries_[Find(node)];
  return entry == 0 ? std::nullopt : std::optional(entry & kPlaceMask);
}

void PlaceTable::Set(NodeNumber node, uint64_t place) {
  const size_t at = Find(node);
  if (entries_[at] == 0) ++count_;
  assert(count_ <= kMaxEntries);
  entries_[at] = Encode(node, place);
  is_used_ = true;
}

// What stands behind the gap moves into it, unless it would come to stand before its home.
void PlaceTable::Erase(NodeNumber node, uint64_t place) {
  size_t gap = Find(node);
  if (entries_[gap] != Encode(node, place)) return;
  for (size_t at = (gap + 1) % kEntries; entries_[at] != 0; at = (at + 1) % kEntries) {
    const size_t home = HomeOf(NodeIn(entries_[at]));
    if ((at - home) % kEntries < (at - gap) % kEntries) continue;
    entries_[gap] = entries_[at];
    gap = at;
  }
  entries_[gap] = 0;
  --count_;
}

}  // namespace quire
