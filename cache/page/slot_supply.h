// SPDX-License-Identifier: Apache-2.0
// Slots for pages that come, and their memory: free slots are used again first, then those of pages that readers are
// done with, then the arena grows as far as residency permits, then a page goes that the policy chooses. What stays
// free goes back to the machine. Not thread-safe: the cache's lock guards it. Allocates in its constructor only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cache/memory/slot_memory.h"
#include "cache/page/slot_table.h"
#include "cache/policy/eviction_policy.h"
#include "cache/policy/residency.h"

namespace quire {

class SlotSupply {
 public:
  // A slot that a page may have: one that is free by now, or that of a page which would have to go.
  struct Place {
    uint32_t slot = 0;
    bool is_victim = false;
    uint64_t used_at = 0;  // of a victim: when its page was last used, in misses
  };

  // Over all page slots of `table`, whose memory is in `arena`; all are free at first, bare or not as they are there.
  // `evicted` is called with the slot of each page that goes. All of them must outlive the supply.
  SlotSupply(SlotTable& table, SlotMemory& arena, const Residency& residency, PolicyKind policy,
             std::function<void(uint32_t slot)> evicted);

  // --- Slots to be had

  // For whom a slot is looked for. A reader waits for its slot, so sweeps leave half of the reserve to readers.
  enum class For : uint8_t { kReaders, kSweeps };
  // A free slot, that of a consumed page, or one by which the arena grows. The caller takes the place or puts it back.
  std::optional<Place> FindFree(For whom = For::kReaders);
  // The page of lowest rank among those that nobody pins: all of a small arena's, some of a large one's.
  std::optional<Place> FindVictim();
  // False where a reader pinned the victim meanwhile.
  bool Take(const Place& place);
  void PutBack(const Place& place);
  // Either kind, taken; nothing where every slot is in use.
  std::optional<uint32_t> TakeAny();
  // How many could be had without evicting a page that somebody may still want.
  [[nodiscard]] size_t CountSpare() const;
  // A slot that holds no page any more. `is_in_use`: reads that were answered early still pin it.
  void GiveBack(uint32_t slot, bool is_in_use = false);

  // --- Free slots ahead of need, since a slot gets its memory in 0.1 to 7 ms, for which no reader should wait

  // Whether slots were taken, and fewer than the reserve are free. An arena that nobody uses wants none.
  [[nodiscard]] bool wants_reserve() const { return wants_reserve_; }
  // Frees slots of consumed pages as far as the reserve needs them; then the next slot to get memory and to be given
  // back, nothing where the reserve is full or the arena may not grow.
  std::optional<uint32_t> TakeForReserve();

  // --- Their memory

  // Whether one slot more may get memory.
  [[nodiscard]] bool MayGrow() const;
  // A slot of the arena (a slab as well) that has to get memory, by the thread that holds the lock, once it lets go.
  void NeedsMemory(uint32_t slot) { to_populate_.push_back(slot); }
  std::optional<uint32_t> TakeSlotToPopulate();
  // Once for each slot that was taken to get memory, here or for the reserve. Where it got none, the machine has no
  // more to give, for now: until the next trim.
  void MemoryCame(bool is_there);

  // Memory is given back slot by slot, so that the lock can be let go in between: of half of the slots beyond the
  // reserve that stayed free since the last time, and of those above the limit that residency sets by now. `is_idle`:
  // of all slots that nobody pins.
  void BeginTrim(bool is_idle);
  // False when it is done.
  bool TrimOne();

  [[nodiscard]] EvictionPolicy& policy() { return *policy_; }
  void SwapPolicy(std::unique_ptr<EvictionPolicy>& policy) { policy_.swap(policy); }

 private:
  [[nodiscard]] uint32_t Limit() const;
  std::optional<uint32_t> TakeFreeSlot();
  std::optional<uint32_t> TakeToGrow();
  [[nodiscard]] bool MayTakeConsumed() const;
  void ReclaimDrained();
  std::optional<uint32_t> TakeConsumed();
  std::optional<uint32_t> TakeUnneeded();  // for the trim under way

  SlotTable& table_;
  SlotMemory& arena_;
  const Residency& residency_;
  const std::function<void(uint32_t slot)> evicted_;
  const size_t reserve_;  // slots to be free, where the arena has enough
  std::unique_ptr<EvictionPolicy> policy_;
  uint32_t hand_;                      // the slot at which the next look for a victim begins
  uint32_t end_of_used_;               // slots from here on have never been used
  std::vector<uint32_t> draining_;     // given back while reads still pin them
  std::vector<uint32_t> to_populate_;  // taken, without memory yet
  uint32_t coming_ = 0;                // slots whose memory is on its way, without the lock
  size_t least_free_ = 0;              // slots that have been free since the last trim
  size_t unneeded_ = 0;                // of these, what the trim under way still has to give back
  bool wants_reserve_ = false;
  bool is_out_of_memory_ = false;
};

}  // namespace quire
