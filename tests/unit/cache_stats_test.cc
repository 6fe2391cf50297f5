// SPDX-License-Identifier: Apache-2.0
// Goal: whatever the number of threads, nothing that was counted is lost, and every fill falls into its bucket.
#include "cache/cache_stats.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace quire {
namespace {

CacheStats SumOf(const CacheCounters& counters) {
  CacheStats stats;
  counters.Sum(stats);
  return stats;
}

TEST(CacheStats, CountersStartAtZero) {
  const auto counters = std::make_unique<CacheCounters>();
  EXPECT_EQ(SumOf(*counters).counters, CacheStats().counters);
}

TEST(CacheStats, NothingIsLostBetweenMoreThreadsThanBlocks) {
  const auto counters = std::make_unique<CacheCounters>();
  constexpr uint64_t kThreads = 100;
  constexpr uint64_t kTimes = 1000;
  {
    std::vector<std::jthread> threads;
    for (uint64_t i = 0; i < kThreads; ++i)
      threads.emplace_back([&] {
        for (uint64_t time = 0; time < kTimes; ++time) {
          counters->Add(Counter::kHits);
          counters->Add(Counter::kHitBytes, 7);
        }
      });
  }
  const CacheStats stats = SumOf(*counters);
  EXPECT_EQ(stats[Counter::kHits], kThreads * kTimes);
  EXPECT_EQ(stats[Counter::kHitBytes], 7 * kThreads * kTimes);
  EXPECT_EQ(stats[Counter::kJoined], 0U);
}

TEST(CacheStats, ReadsAreHitsJoinedFillsAndBypasses) {
  const auto counters = std::make_unique<CacheCounters>();
  for (size_t i = 0; i < kCounters; ++i) counters->Add(static_cast<Counter>(i), uint64_t{1} << i);
  EXPECT_EQ(SumOf(*counters).reads(), 0b1111U);
}

TEST(CacheStats, EveryCounterHasANameOfItsOwn) {
  std::set<std::string> names;
  for (size_t i = 0; i < kCounters; ++i) names.insert(NameOf(static_cast<Counter>(i)));
  EXPECT_EQ(names.size(), kCounters);
  EXPECT_STREQ(NameOf(Counter::kHits), "hits");
  EXPECT_STREQ(NameOf(Counter::kEvictedPages), "evicted_pages");
  EXPECT_STREQ(NameOf(Counter::kParked), "parked");
}

TEST(CacheStats, BucketsBeginAtPowersOfTwoMicroseconds) {
  const struct {
    uint64_t latency_ns;
    size_t bucket;
  } kCases[] = {{0, 0},          {999, 0},  {1999, 0},      {2000, 1},
                {3999, 1},       {4000, 2}, {1'000'000, 9}, {(uint64_t{1} << 23) * 1000, 23},
                {UINT64_MAX, 23}};
  for (const auto& [latency_ns, bucket] : kCases) {
    const auto counters = std::make_unique<CacheCounters>();
    counters->AddFillLatency(latency_ns);
    EXPECT_EQ(SumOf(*counters).fill_latency_us[bucket], 1U) << latency_ns << " ns";
  }
}

}  // namespace
}  // namespace quire
