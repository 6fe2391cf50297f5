// SPDX-License-Identifier: Apache-2.0
// Caches of textbooks that a mount does not have: they fill a page at each miss.
#pragma once

#include <queue>
#include <utility>
#include <vector>

#include "tools/sim/lab_cache.h"

namespace quire::lab {

// Second chance: a hand goes round the slots; a page that was used since the hand last passed is spared once (F. J.
// Corbato, A paging experiment with the Multics system, 1968). A page that comes in counts as used.
class ClockCache final : public LabCache {
 public:
  ClockCache(const ReadSequence& sequence, uint32_t slots);

  bool Read(size_t index) override;
  [[nodiscard]] std::optional<uint32_t> PageIn(uint32_t slot) const override;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Slot {
    uint32_t page = kNone;
    bool is_used = false;
  };
  const ReadSequence& sequence_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> slot_of_;  // by page
  uint32_t hand_ = 0;
};

// The optimum of all caches that must take in what they miss: the page whose next use is farthest goes (L. A. Belady, A
// study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5(2), 1966). Uses of one page
// side by side are one use. O(n log n) in the reads: the next uses wait in a heap.
class BeladyCache final : public LabCache {
 public:
  BeladyCache(const ReadSequence& sequence, uint32_t slots);

  bool Read(size_t index) override;
  [[nodiscard]] std::optional<uint32_t> PageIn(uint32_t slot) const override;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr uint32_t kNever = ~uint32_t{0};

  const ReadSequence& sequence_;
  std::vector<uint32_t> next_use_;  // of the page of each read: the index of a read behind it, or kNever
  std::vector<uint32_t> next_of_;   // of each page that is in a slot
  std::vector<uint32_t> slot_of_;   // by page
  std::vector<uint32_t> page_in_;   // by slot
  uint32_t taken_ = 0;
  // By next use, the farthest first. Entries whose page has another next use by now, or is gone, are passed over.
  std::priority_queue<std::pair<uint32_t, uint32_t>> farthest_;
};

}  // namespace quire::lab
