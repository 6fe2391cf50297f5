// SPDX-License-Identifier: Apache-2.0
// What was read against the sums that the pack states, or where a volume has none against a change of its file. The
// extents of a page are checked one by one, each when it is first used, and once: by a reader, or by the thread that
// passes it on to the kernel, and never by the thread that takes in what the disk gives. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "cache/cache_stats.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "format/zeroed_array.h"

namespace quire {

class SumCheck {
 public:
  // Of slots below `slots`. Both references must outlive it. Mismatches are counted in `counters`.
  SumCheck(const Pack& pack, uint32_t slots, CacheCounters& counters);

  // kCorrupt where `bytes` are not those of `extent`.
  [[nodiscard]] Result<void> Check(const Extent& extent, std::span<const std::byte> bytes) const;

  // --- Of the page that lies in a slot. REQUIRES: the extent is of that page.

  // Another page comes into the slot: nothing of it was checked. REQUIRES: nobody uses the slot.
  void Entered(uint32_t slot);
  // Whether `bytes` are those of `extent`. Says so in the log where they are not, once for a page that was read.
  [[nodiscard]] bool IsRight(uint32_t slot, uint64_t page, const Extent& extent, std::span<const std::byte> bytes);
  // Whether IsRight found anything wrong in the page.
  [[nodiscard]] bool has_wrong(uint32_t slot) const { return has_wrong_[slot].load(std::memory_order_relaxed); }

 private:
  // A bit for each 64 bytes of a page. An extent of 64 bytes or more has the bit of its first byte, which no other such
  // extent has; shorter ones have none, and are checked each time.
  static constexpr uint64_t kBytesPerBit = 64;
  static constexpr uint64_t kWordsPerSlot = kPageBytes / kBytesPerBit / 64;

  static uint64_t WordOf(uint32_t slot, const Extent& extent);
  static uint64_t BitOf(const Extent& extent);

  const Pack& pack_;
  CacheCounters& counters_;
  ZeroedArray<std::atomic<uint64_t>> checked_;  // kWordsPerSlot for each slot
  ZeroedArray<std::atomic<bool>> has_wrong_;    // by slot; the log was told then
};

}  // namespace quire
