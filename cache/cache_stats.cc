// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_stats.h"

#include <algorithm>
#include <bit>

namespace quire {
namespace {

// In the order of Counter.
constexpr std::array<const char*, kCounters> kCounterNames = {
    "hits",         "joined",        "fill_misses",     "bypasses",         "hit_bytes",       "missed_bytes",
    "filled_pages", "volume_bytes",  "volume_reads",    "prefetched_pages", "prefetched_used", "prefetched_wasted",
    "swept_pages",  "evicted_pages", "verify_failures", "read_errors",      "parked",
};

}  // namespace

const char* NameOf(Counter counter) { return kCounterNames[static_cast<size_t>(counter)]; }

uint64_t CacheStats::reads() const {
  const CacheStats& stats = *this;
  return stats[Counter::kHits] + stats[Counter::kJoined] + stats[Counter::kFillMisses] + stats[Counter::kBypasses];
}

size_t LatencyBucket(uint64_t latency_ns) {
  const uint64_t latency_us = std::max<uint64_t>(latency_ns / 1000, 1);
  return std::min<size_t>(std::bit_width(latency_us) - 1, kLatencyBuckets - 1);
}

void CacheCounters::AddFillLatency(uint64_t latency_ns) {
  fill_latency_us_[LatencyBucket(latency_ns)].fetch_add(1, std::memory_order_relaxed);
  fill_total_ns_.fetch_add(latency_ns, std::memory_order_relaxed);
}

void CacheCounters::Sum(CacheStats& stats) const {
  stats.counters = {};
  for (const Block& block : blocks_)
    for (size_t i = 0; i < kCounters; ++i) stats.counters[i] += block.counters[i].load(std::memory_order_relaxed);
  for (size_t i = 0; i < kLatencyBuckets; ++i)
    stats.fill_latency_us[i] = fill_latency_us_[i].load(std::memory_order_relaxed);
  stats.fill_total_ns = fill_total_ns_.load(std::memory_order_relaxed);
}

}  // namespace quire
