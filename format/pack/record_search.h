// SPDX-License-Identifier: Apache-2.0
// Binary searches among records of the index, each of which may turn out to be damaged when it is looked at.
#pragma once

#include <cstddef>
#include <cstdint>

#include "format/result.h"

namespace quire {

// Damaged blocks that one search goes around. A search meets one or two where a disk has lost a few; a hostile pack,
// which may be a file with holes, can have millions, and each costs a read of 64 KiB: 64 of them are some milliseconds.
inline constexpr size_t kMaxBadBlocks = 64;

// The smallest i in [0, count) for which `is_behind(i)` is true, else count; REQUIRES: monotone. Errors end the search.
template <typename Predicate>
Result<uint64_t> PartitionPoint(uint64_t count, Predicate is_behind) {
  uint64_t low = 0;
  uint64_t high = count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const Result<bool> behind = is_behind(middle);
    if (!behind) return std::unexpected(behind.error());
    (*behind ? high : low) = *behind ? middle : middle + 1;
  }
  return low;
}

// The same in [low, high), and damage does not end it: a record for which `is_behind` fails gives way to the next one
// that `behind_block` finds. Where the records are damaged among which the point is, it is the first of those.
template <typename Predicate, typename BehindBlock>
uint64_t PartitionPointAroundDamage(uint64_t low, uint64_t high, Predicate is_behind, BehindBlock behind_block) {
  size_t bad_blocks = 0;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    uint64_t probe = middle;
    Result<bool> behind = is_behind(probe);
    while (!behind && ++bad_blocks < kMaxBadBlocks && (probe = behind_block(probe)) < high) behind = is_behind(probe);
    if (behind && !*behind)
      low = probe + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace quire
