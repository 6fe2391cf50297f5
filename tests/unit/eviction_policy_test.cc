// SPDX-License-Identifier: Apache-2.0
// Goal: each policy evicts what it promises, with no more knowledge than the cache has, and a plan that readers follow
// only roughly still gives nearly the hits of one that they follow to the letter.
// Method: a cache of nothing but slots that asks the policy as the page cache does, against text books and brute force.
#include "cache/policy/eviction_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace quire {
namespace {

using Trace = std::vector<uint64_t>;

class SimulatedCache {
 public:
  SimulatedCache(PolicyKind kind, size_t slots) : policy_(MakeEvictionPolicy(kind)), slot_count_(slots) {}

  EvictionPolicy& policy() { return *policy_; }
  [[nodiscard]] uint64_t hits() const { return hits_; }

  void Access(uint64_t page) {
    if (policy_->wants_accesses()) policy_->Access(page);
    const auto found = std::ranges::find(slots_, page, &EvictionCandidate::page);
    if (found != slots_.end()) {
      found->used_at = misses_;
      ++hits_;
      return;
    }
    ++misses_;
    const EvictionCandidate filled{.page = page, .filled_at = misses_, .used_at = misses_, .is_consumed = true};
    if (slots_.size() < slot_count_)
      slots_.push_back(filled);
    else
      slots_[LowestRank()] = filled;
  }

 private:
  // Of the lowest slot, where ranks are equal.
  size_t LowestRank() {
    size_t lowest = 0;
    for (size_t slot = 1; slot < slots_.size(); ++slot)
      if (policy_->Rank(slots_[slot]) < policy_->Rank(slots_[lowest])) lowest = slot;
    return lowest;
  }

  const std::unique_ptr<EvictionPolicy> policy_;
  const size_t slot_count_;
  std::vector<EvictionCandidate> slots_;
  uint64_t misses_ = 0;
  uint64_t hits_ = 0;
};

uint64_t CountHits(PolicyKind kind, size_t slots, const Trace& trace, const Trace& future = {}) {
  SimulatedCache cache(kind, slots);
  cache.policy().SetFuture(future);
  for (const uint64_t page : trace) cache.Access(page);
  return cache.hits();
}

// The optimum, by searching the rest of the trace for each resident page.
uint64_t CountOptimalHits(size_t slots, const Trace& trace) {
  std::set<uint64_t> resident;
  uint64_t hits = 0;
  for (auto now = trace.begin(); now != trace.end(); ++now) {
    if (resident.contains(*now)) {
      ++hits;
      continue;
    }
    if (resident.size() == slots)
      resident.erase(std::ranges::max_element(resident, {},
                                              [&](uint64_t page) { return std::find(now, trace.end(), page) - now; }));
    resident.insert(*now);
  }
  return hits;
}

Trace UniformTrace(size_t length, uint64_t pages, uint64_t seed) {
  std::mt19937_64 random(seed);
  Trace trace(length);
  for (uint64_t& page : trace) page = random() % pages;
  return trace;
}

// Every page `samples` times an epoch, in an order of its own for each.
Trace ShuffledEpochs(int epochs, uint64_t pages, uint64_t samples) {
  std::mt19937_64 random(7);
  Trace trace;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (uint64_t i = 0; i < pages * samples; ++i) trace.push_back(i / samples);
    std::shuffle(trace.end() - static_cast<int64_t>(pages * samples), trace.end(), random);
  }
  return trace;
}

const Trace kTextbook = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};  // Belady, Nelson and Shedler 1969

TEST(EvictionPolicy, LruHitsAsInTheTextbook) {
  EXPECT_EQ(CountHits(PolicyKind::kLru, 3, kTextbook), 2U);
  EXPECT_EQ(CountHits(PolicyKind::kLru, 4, kTextbook), 4U);
}

// The anomaly: more memory, fewer hits.
TEST(EvictionPolicy, FifoHitsAsInTheTextbook) {
  EXPECT_EQ(CountHits(PolicyKind::kFifo, 3, kTextbook), 3U);
  EXPECT_EQ(CountHits(PolicyKind::kFifo, 4, kTextbook), 2U);
}

TEST(EvictionPolicy, BeladyHitsAsInTheTextbook) {
  EXPECT_EQ(CountHits(PolicyKind::kBelady, 3, kTextbook, kTextbook), 5U);
  EXPECT_EQ(CountHits(PolicyKind::kBelady, 4, kTextbook, kTextbook), 6U);
}

TEST(EvictionPolicy, WithoutAFutureBeladyIsLru) {
  const Trace trace = UniformTrace(20'000, 60, 3);
  EXPECT_EQ(CountHits(PolicyKind::kBelady, 20, trace), CountHits(PolicyKind::kLru, 20, trace));
}

TEST(EvictionPolicy, BeladyIsOptimalOnAnyTrace) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Trace trace = UniformTrace(600, 4 + seed, seed);
    for (const size_t slots : {1U, 3U, 11U})
      EXPECT_EQ(CountHits(PolicyKind::kBelady, slots, trace, trace), CountOptimalHits(slots, trace))
          << "seed " << seed << ", " << slots << " slots";
  }
}

TEST(EvictionPolicy, RunsOfOnePageAreOneAccessOrAsMany) {
  const Trace once = UniformTrace(500, 12, 5);
  Trace thrice;
  for (const uint64_t page : once) thrice.insert(thrice.end(), 3, page);
  const uint64_t hits = CountHits(PolicyKind::kBelady, 4, once, once);
  EXPECT_EQ(CountHits(PolicyKind::kBelady, 4, once, thrice), hits);
  EXPECT_EQ(CountHits(PolicyKind::kBelady, 4, thrice, once), hits + 1000);
}

// The figures of a shuffle that fits by half: simulated .80 for Belady, .48 for LRU.
class RoughPlanTest : public testing::Test {
 protected:
  static constexpr size_t kSlots = 150;
  const Trace plan_ = ShuffledEpochs(4, 2 * kSlots, 19);
  std::mt19937_64 random_{11};

  [[nodiscard]] double HitRate(const Trace& trace) const {
    return static_cast<double>(CountHits(PolicyKind::kAuto, kSlots, trace, plan_)) / static_cast<double>(trace.size());
  }
};

TEST_F(RoughPlanTest, FollowedToTheLetter) { EXPECT_GT(HitRate(plan_), 0.78); }

// A shuffle of so few pages, seen through a blur of 2000 accesses, keeps little of the order that a plan can use: what
// must not happen is that it becomes worse than no plan.
TEST_F(RoughPlanTest, FollowedByReadersOutOfStep) {
  for (const auto& [blur, least] : {std::pair{16, 0.75}, {64, 0.7}, {2000, 0.47}}) {
    std::multimap<uint64_t, uint64_t> late;
    for (size_t i = 0; i < plan_.size(); ++i) late.emplace(i + random_() % blur, plan_[i]);
    Trace trace;
    for (const auto& [when, page] : late) trace.push_back(page);
    EXPECT_GT(HitRate(trace), least) << blur;
  }
}

TEST_F(RoughPlanTest, AccessesMayNeverCome) {
  Trace trace;
  for (const uint64_t page : plan_)
    if (random_() % 10 < 7) trace.push_back(page);
  EXPECT_GT(HitRate(trace), 0.68);
}

TEST_F(RoughPlanTest, AccessesMayComeUnforeseen) {
  Trace trace;
  for (const uint64_t page : plan_) {
    trace.push_back(page);
    if (random_() % 10 == 0) trace.push_back(random_() % (2 * kSlots));
  }
  EXPECT_GT(HitRate(trace), 0.68);
}

TEST_F(RoughPlanTest, SamplesMayBeReadInSeveralPieces) {
  Trace trace;
  for (auto read = plan_.begin(); plan_.end() - read >= 8; read += 8)  // eight readers, two pieces each
    for (int piece = 0; piece < 2; ++piece) trace.insert(trace.end(), read, read + 8);
  EXPECT_GT(HitRate(trace), 0.8);
}

// In pack order each page comes once an epoch, and the kernel may have had the whole first half of it.
TEST(EvictionPolicy, APlanIsFoundAgainBehindALongSilence) {
  constexpr uint64_t kPages = 30'000;
  Trace plan;
  for (int epoch = 0; epoch < 2; ++epoch)
    for (uint64_t page = 0; page < kPages; ++page) plan.push_back(page);
  const auto policy = MakeEvictionPolicy(PolicyKind::kBelady);
  policy->SetFuture(plan);
  for (uint64_t page = 12'000; page < kPages; ++page) policy->Access(page);
  const auto soon = policy->Rank({.page = 0, .filled_at = 1, .used_at = 1});
  const auto later = policy->Rank({.page = 20'000, .filled_at = 2, .used_at = 2});
  EXPECT_LT(later, soon);
}

Trace InOrder(uint64_t pages) {
  Trace trace;
  for (uint64_t page = 0; page < pages; ++page) trace.push_back(page);
  return trace;
}

TEST(EvictionPolicy, AUseThatDoesNotComeIsGivenUp) {
  Trace plan = InOrder(20'000);
  plan.push_back(0);
  const auto policy = MakeEvictionPolicy(PolicyKind::kBelady);
  policy->SetFuture(plan);
  uint64_t page = 1;
  for (; page < kLatePlaces; ++page) policy->Access(page);
  EXPECT_GT(policy->Rank({.page = 0}), policy->Rank({.page = 10'000}));
  for (; page < kLatePlaces + 100; ++page) policy->Access(page);
  EXPECT_LT(policy->Rank({.page = 0}), policy->Rank({.page = 10'000}));
}

TEST(EvictionPolicy, AnUnforeseenAccessDoesNotUseUpALaterOne) {
  const auto policy = MakeEvictionPolicy(PolicyKind::kBelady);
  policy->SetFuture(InOrder(20'000));
  policy->Access(15'000);
  EXPECT_GT(policy->Rank({.page = 15'000}), policy->Rank({.page = 19'000}));
}

TEST(EvictionPolicy, PagesNeverUsedAgainGoFirstTheOldestBeforeTheOthers) {
  const auto policy = MakeEvictionPolicy(PolicyKind::kBelady);
  policy->SetFuture(Trace{1, 2, 3});
  const auto rank = [&](uint64_t page, uint64_t used_at) {
    return policy->Rank({.page = page, .filled_at = 1, .used_at = used_at});
  };
  EXPECT_LT(rank(8, 5), rank(9, 6));
  EXPECT_LT(rank(9, 6), rank(3, 1));
  EXPECT_LT(rank(3, 1), rank(2, 1));
}

TEST(EvictionPolicy, AnotherFutureReplacesTheFirst) {
  const auto policy = MakeEvictionPolicy(PolicyKind::kBelady);
  EXPECT_FALSE(policy->wants_accesses());
  policy->SetFuture(Trace{1, 2});
  policy->Access(1);
  policy->SetFuture(Trace{2, 1});
  EXPECT_TRUE(policy->wants_accesses());
  EXPECT_LT(policy->Rank({.page = 1}), policy->Rank({.page = 2}));
  policy->SetFuture({});
  EXPECT_FALSE(policy->wants_accesses());
  EXPECT_EQ(policy->Rank({.page = 1, .used_at = 3}), policy->Rank({.page = 2, .used_at = 3}));
}

TEST(EvictionPolicy, PinGivesUpConsumedPagesOnly) {
  const auto policy = MakeEvictionPolicy(PolicyKind::kPin);
  EXPECT_FALSE(policy->Rank({.page = 1, .filled_at = 1, .used_at = 1, .is_consumed = false}).has_value());
  EXPECT_LT(policy->Rank({.page = 1, .filled_at = 1, .used_at = 2, .is_consumed = true}),
            policy->Rank({.page = 2, .filled_at = 1, .used_at = 3, .is_consumed = true}));
}

TEST(EvictionPolicy, AutoGivesUpConsumedPagesFirst) {
  const auto policy = MakeEvictionPolicy(PolicyKind::kAuto);
  const auto consumed = policy->Rank({.page = 1, .filled_at = 8, .used_at = 9, .is_consumed = true});
  const auto fresh = policy->Rank({.page = 2, .filled_at = 1, .used_at = 1, .is_consumed = false});
  EXPECT_LT(consumed, fresh);
  policy->SetFuture(Trace{1});
  EXPECT_LT(policy->Rank({.page = 2}), policy->Rank({.page = 1, .is_consumed = true}));
}

}  // namespace
}  // namespace quire
