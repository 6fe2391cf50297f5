// SPDX-License-Identifier: Apache-2.0
// Hits of the least recently used policy for every number of slots, in one pass over the reads.
//
// The distance of a read is how many pages were used since the last use of its own, that one included: under LRU it is
// a hit with so many slots or more, and a miss with fewer (R. L. Mattson, J. Gecsei, D. R. Slutz, I. L. Traiger,
// Evaluation techniques for storage hierarchies, IBM Systems Journal 9(2), 1970). Distances are counted by a binary
// indexed tree over time, which marks the last use of each page (B. T. Bennett, V. J. Kruskal, LRU stack processing,
// IBM Journal of Research and Development 19(4), 1975; P. M. Fenwick's form of the tree, 1994). Time is numbered anew
// when it has run out, so the tree is no larger than twice the pages (F. Olken, 1981): O(n log pages).
#pragma once

#include <cstdint>
#include <vector>

#include "tools/sim/read_sequence.h"

namespace quire::lab {

struct LruCurve {
  uint64_t reads = 0;
  uint64_t first_reads = 0;         // of pages: no memory makes them hits
  std::vector<uint64_t> hits = {};  // hits[n]: with n slots; from 0 to the number of pages

  // With any number of slots.
  [[nodiscard]] uint64_t HitsWith(uint64_t slots) const;
  [[nodiscard]] double MissRatioWith(uint64_t slots) const;
  // The fewest slots that bring `share` of what any number of them can.
  [[nodiscard]] uint64_t SlotsFor(double share) const;
  // The distance that `share` of the reads that are no first ones have at most; 0 where there are none.
  [[nodiscard]] uint64_t DistanceOf(double share) const { return SlotsFor(share); }
};

LruCurve MeasureLru(const ReadSequence& sequence);

}  // namespace quire::lab
