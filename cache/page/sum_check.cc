// SPDX-License-Identifier: Apache-2.0
#include "cache/page/sum_check.h"

#include "cache/log.h"
#include "format/pack/geometry.h"

namespace quire {

SumCheck::SumCheck(const Pack& pack, uint32_t slots, CacheCounters& counters)
    : pack_(pack), counters_(counters), checked_(slots * kWordsPerSlot), has_wrong_(slots) {}

Result<void> SumCheck::Check(const Extent& extent, std::span<const std::byte> bytes) const {
  auto right = pack_.CheckExtent(extent, bytes);
  if (!right) counters_.Add(Counter::kVerifyFailures);
  return right;
}

void SumCheck::Entered(uint32_t slot) {
  for (uint64_t word = 0; word < kWordsPerSlot; ++word)
    checked_[slot * kWordsPerSlot + word].store(0, std::memory_order_relaxed);
  has_wrong_[slot].store(false, std::memory_order_relaxed);
}

bool SumCheck::IsRight(uint32_t slot, uint64_t page, const Extent& extent, std::span<const std::byte> bytes) {
  std::atomic<uint64_t>& word = checked_[WordOf(slot, extent)];
  const uint64_t bit = BitOf(extent);
  if ((word.load(std::memory_order_relaxed) & bit) != 0) [[likely]]
    return true;
  if (Check(extent, bytes)) {
    word.fetch_or(bit, std::memory_order_relaxed);
    return true;
  }
  if (!has_wrong_[slot].exchange(true, std::memory_order_relaxed))
    Log(LogLevel::kWarning, "'{}': page {}: {} bytes at {} do not match their sum; they are read again by themselves",
        pack_.VolumePath(extent.volume), page, extent.length_bytes, extent.offset);
  return false;
}

uint64_t SumCheck::WordOf(uint32_t slot, const Extent& extent) {
  return slot * kWordsPerSlot + extent.offset % kPageBytes / kBytesPerBit / 64;
}

uint64_t SumCheck::BitOf(const Extent& extent) {
  if (extent.length_bytes < kBytesPerBit) return 0;
  return uint64_t{1} << (extent.offset % kPageBytes / kBytesPerBit % 64);
}

}  // namespace quire
