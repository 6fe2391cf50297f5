// What was read against the sums that the pack states. Thread-safe: all is read only, but for counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cache/cache_stats.h"
#include "format/pack.h"
#include "format/result.h"

namespace quire {

class SumCheck {
 public:
  // Both must outlive it. Mismatches are counted in `counters`.
  SumCheck(const Pack& pack, CacheCounters& counters) : pack_(pack), counters_(counters) {}

  // Whether `bytes`, the data of `page` of `volume`, are right; says so in the log where they are not.
  [[nodiscard]] bool IsPageRight(const Volume& volume, uint64_t page, std::span<const std::byte> bytes) const;
  // kCorrupt where `bytes` are not those of `extent`.
  [[nodiscard]] Result<void> Check(const Extent& extent, std::span<const std::byte> bytes) const;

 private:
  const Pack& pack_;
  CacheCounters& counters_;
};

}  // namespace quire
