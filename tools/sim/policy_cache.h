// SPDX-License-Identifier: Apache-2.0
// The mount's own decisions without its bytes: the tables, the supply of slots, eviction, admission and readahead of
// cache/ are those that a mount runs. Only what stands between them is here, what PageCache does around them, with
// every fill complete at once and one reader.
//
// What differs from a mount for that: nothing is in flight, so nobody joins a fill; and the arena is a store, since the
// reads that a mount sees which pushes samples on are those that the kernel did not answer.
#pragma once

#include <unordered_map>

#include "cache/memory/slot_memory.h"
#include "cache/page/slot_supply.h"
#include "cache/page/slot_table.h"
#include "cache/policy/admission.h"
#include "cache/policy/readahead.h"
#include "cache/policy/residency.h"
#include "tools/sim/lab_cache.h"

namespace quire::lab {

// Extents that were read alone stay for a while, as cache/page/extent_slabs.h keeps them: in slabs that are filled from
// front to back, the oldest of which is emptied as a whole.
class KeptExtents {
 public:
  explicit KeptExtents(uint32_t slabs) : slabs_(slabs) {}

  [[nodiscard]] bool Has(uint64_t place) const { return slab_of_.contains(place); }
  void Add(uint64_t place, uint64_t bytes);

 private:
  struct Slab {
    uint64_t used_bytes = 0;
    std::vector<uint64_t> places;
  };
  std::vector<Slab> slabs_;
  std::unordered_map<uint64_t, uint32_t> slab_of_;
  uint32_t current_ = 0;
};

class PolicyCache final : public LabCache {
 public:
  PolicyCache(const ReadSequence& sequence, const LabOptions& options);

  bool Read(size_t index) override;
  [[nodiscard]] std::optional<uint32_t> PageIn(uint32_t slot) const override;

 private:
  // Memory that is always there, and of which there is nothing.
  class NoMemory final : public SlotMemory {
   public:
    explicit NoMemory(uint32_t slots) : slots_(slots) {}
    [[nodiscard]] uint32_t slot_count() const override { return slots_; }
    [[nodiscard]] uint32_t populated() const override { return slots_; }
    [[nodiscard]] bool is_populated(uint32_t /*slot*/) const override { return true; }
    void Release(uint32_t /*slot*/) override {}

   private:
    const uint32_t slots_;
  };

  bool TakeHit(const LabRead& read);
  void Miss(const LabRead& read);
  [[nodiscard]] bool IsHeld(uint64_t page) const { return table_.presence(page) == SlotTable::Presence::kHeld; }
  void Fill(uint32_t slot, uint64_t page, bool is_readahead);
  void UseFirstTime(uint32_t slot, const LabRead& read);
  void FollowRun(const Readahead::Advice& advice);
  void Evicted(uint32_t slot);
  [[nodiscard]] uint64_t PlaceOf(const LabRead& read) const {
    return uint64_t{read.page} * sequence_.page_bytes + read.begin;
  }

  const ReadSequence& sequence_;
  const LabOptions options_;
  NoMemory memory_;
  SlotTable table_;
  Residency residency_;
  SlotSupply supply_;
  Admission admission_;
  Readahead readahead_;
  KeptExtents extents_;
  uint64_t misses_ = 0;
  uint64_t now_ = 0;
};

}  // namespace quire::lab
