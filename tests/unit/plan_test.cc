// SPDX-License-Identifier: Apache-2.0
// Goal: a plan goes ahead of its readers by a window and no more, whatever their number, step and speed; follows them
// when they jump; is not carried away by others; and ends when its readers leave it.
#include "fs/feed/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>
#include <vector>

namespace quire {
namespace {

using Verdict = Plan::Verdict;
using Order = std::vector<NodeNumber>;

constexpr uint64_t kWideWindow = uint64_t{1} << 40;

Order InOrder(NodeNumber first, size_t count) {
  Order order(count);
  std::iota(order.begin(), order.end(), first);
  return order;
}

Order Shuffled(size_t count, uint64_t seed) {
  Order order = InOrder(0, count);
  std::ranges::shuffle(order, std::mt19937_64(seed));
  return order;
}

Order Joined(Order first, const Order& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

void Append(Plan& plan, const Order& order) {
  for (const NodeNumber node : order) plan.Append(node);
}

void Tell(Plan& plan, const Order& order) {
  plan.Begin();
  Append(plan, order);
}

// All that may be prefetched now.
Order Prefetch(Plan& plan, uint64_t window) {
  Order nodes;
  while (const auto step = plan.Next(window)) nodes.push_back(step->node);
  return nodes;
}

// Where the readers are and where the prefetching is, as the figures tell. REQUIRES: no plan was begun at a place other
// than 0, all told was kept.
uint64_t PrefetchPlace(const Plan& plan) {
  const PlanFigures figures = plan.figures();
  return figures.told - figures.ignored - figures.left;
}
uint64_t ReadersPlace(const Plan& plan) { return PrefetchPlace(plan) - plan.figures().ahead; }

// --- The window

TEST(Plan, WithoutOneNothingIsPrefetchedOrExpected) {
  Plan plan(10);
  EXPECT_FALSE(plan.is_active());
  EXPECT_FALSE(plan.Next(100).has_value());
  EXPECT_EQ(plan.Read(3), Verdict::kNoPlan);
  EXPECT_EQ(plan.figures().unexpected_reads, 0U);
}

TEST(Plan, GoesAheadByTheWindowInTheOrderTold) {
  Plan plan(1000);
  const Order order = Shuffled(1000, 1);
  Tell(plan, order);
  EXPECT_TRUE(plan.is_active());
  EXPECT_EQ(Prefetch(plan, 100), Order(order.begin(), order.begin() + 100));
  EXPECT_EQ(plan.figures().ahead, 100U);
  EXPECT_EQ(plan.figures().left, 900U);
}

TEST(Plan, EachReadMovesTheWindow) {
  Plan plan(1000);
  const Order order = Shuffled(1000, 1);
  Tell(plan, order);
  Prefetch(plan, 100);
  for (size_t place = 0; place < 900; ++place) {
    EXPECT_EQ(plan.Read(order[place]), Verdict::kExpected);
    EXPECT_EQ(Prefetch(plan, 100), Order(1, order[place + 100]));
  }
}

TEST(Plan, AMarkerFarAheadMovesTheWindowByAllBeforeIt) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 1000));
  Prefetch(plan, 200);
  EXPECT_EQ(plan.Read(128), Verdict::kExpected);
  EXPECT_EQ(Prefetch(plan, 200).size(), 129U);
}

TEST(Plan, EveryThirtySecondSampleIsAMarker) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 1000));
  for (uint64_t place = 0; const auto step = plan.Next(kWideWindow); ++place)
    EXPECT_EQ(step->is_marker, place % 32 == 0) << place;
}

TEST(Plan, EndsWithItsLastRead) {
  Plan plan(10);
  Tell(plan, {4, 2, 7});
  Prefetch(plan, 10);
  plan.Read(4);
  plan.Read(2);
  EXPECT_TRUE(plan.is_active());
  EXPECT_EQ(plan.Read(7), Verdict::kExpected);
  EXPECT_FALSE(plan.is_active());
  EXPECT_EQ(plan.Read(7), Verdict::kNoPlan);
  EXPECT_EQ(plan.figures().expected_reads, 3U);
}

TEST(Plan, GoesOnWhenMoreIsTold) {
  Plan plan(10);
  Tell(plan, {4, 2});
  Prefetch(plan, 10);
  plan.Read(4);
  plan.Read(2);
  plan.Append(9);
  EXPECT_TRUE(plan.is_active());
  EXPECT_EQ(Prefetch(plan, 10), Order{9});
  EXPECT_EQ(plan.Read(9), Verdict::kExpected);
}

TEST(Plan, TheFutureIsWhatTheReadersHaveNotReached) {
  Plan plan(10);
  Tell(plan, {4, 2, 7, 5});
  EXPECT_EQ(plan.Future(), (Order{4, 2, 7, 5}));
  Prefetch(plan, 3);
  plan.Read(2);
  EXPECT_EQ(plan.Future(), (Order{7, 5}));
  plan.Read(5);
  EXPECT_EQ(plan.Future(), Order());
}

TEST(Plan, HoldsEightMillionPlacesAndCountsWhatIsBeyond) {
  Plan plan(16);
  plan.Begin();
  for (uint64_t i = 0; i < Plan::kMaxPlaces + 5; ++i) plan.Append(i % 16);
  EXPECT_EQ(plan.figures().told, Plan::kMaxPlaces + 5);
  EXPECT_EQ(plan.figures().ignored, 5U);
  EXPECT_EQ(plan.figures().left, Plan::kMaxPlaces);
  EXPECT_EQ(plan.Future().size(), Plan::kMaxPlaces);
}

TEST(Plan, TheFutureCanBeAskedForInPieces) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 1000));
  Prefetch(plan, 100);
  plan.Read(9);
  EXPECT_EQ(plan.stretch().readers, 10U);
  EXPECT_EQ(plan.stretch().end, 1000U);
  EXPECT_EQ(plan.Future(0, 5), InOrder(10, 5));
  EXPECT_EQ(plan.Future(500, 5), InOrder(500, 5));
  EXPECT_EQ(plan.Future(998, 5), InOrder(998, 2));
  EXPECT_EQ(plan.Future(1000, 5), Order());
}

TEST(Plan, TakesFourBytesAPlaceHoweverManyNodesThereAre) {
  constexpr uint64_t kMost = uint64_t{3} << 20;  // beside the places
  Plan plan(400'000'000);
  EXPECT_EQ(plan.figures().memory_bytes, 0U);
  plan.Begin();
  for (uint64_t i = 0; i < Plan::kMaxPlaces + 5; ++i) plan.Append(i * 47);
  EXPECT_LE(plan.figures().memory_bytes, 4 * Plan::kMaxPlaces + kMost);
  // Followed, and a little at a time, so that each of its nodes was looked for.
  for (uint64_t place = 0; place < 500'000; place += 16) {
    Prefetch(plan, 1000);
    ASSERT_EQ(plan.Read(place * 47), Verdict::kExpected);
  }
  EXPECT_LE(plan.figures().memory_bytes, 4 * (Plan::kMaxPlaces - 490'000) + kMost);
  for (NodeNumber node = 1; node < 4; ++node) Tell(plan, {node});
  EXPECT_LE(plan.figures().memory_bytes, kMost) << "of a plan that was dropped";
}

// --- Readers side by side

// Eight readers as data loaders have them: each takes the batches in turn and reads at its own pace; none begins a
// batch more than two rounds ahead of the slowest.
class EightReaders {
 public:
  EightReaders(Order order, uint64_t seed) : order_(std::move(order)), random_(seed), done_(kReaders) {
    for (size_t i = 0; i < kReaders; ++i) speeds_.push_back(1 + random_() % 8);
  }

  // The next sample that one of them reads; nothing once all are at the end.
  std::optional<NodeNumber> Next() {
    for (int tries = 0; tries < 100'000; ++tries) {
      const size_t reader = random_() % kReaders;
      if (random_() % 8 >= speeds_[reader]) continue;
      const size_t place = PlaceOf(reader);
      if (place >= order_.size() || IsTooFarAhead(reader)) continue;
      ++done_[reader];
      farthest_ = std::max(farthest_, place);
      return order_[place];
    }
    return std::nullopt;
  }
  [[nodiscard]] size_t farthest() const { return farthest_; }

 private:
  static constexpr size_t kReaders = 8;
  static constexpr size_t kBatch = 256;

  [[nodiscard]] size_t BatchOf(size_t reader) const { return done_[reader] / kBatch * kReaders + reader; }
  [[nodiscard]] size_t PlaceOf(size_t reader) const { return BatchOf(reader) * kBatch + done_[reader] % kBatch; }
  [[nodiscard]] bool IsTooFarAhead(size_t reader) const {
    for (size_t other = 0; other < kReaders; ++other)
      if (PlaceOf(other) < order_.size() && BatchOf(other) + 2 * kReaders <= BatchOf(reader)) return true;
    return false;
  }

  const Order order_;
  std::mt19937_64 random_;
  std::vector<size_t> done_;  // samples that each has read
  std::vector<size_t> speeds_;
  size_t farthest_ = 0;
};

TEST(Plan, ReadersOutOfStepReadWhatWasExpected) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Order order = Shuffled(40'000, seed);
    Plan plan(order.size());
    Tell(plan, order);
    Prefetch(plan, 3000);
    EightReaders readers(order, seed);
    size_t reads = 0;
    for (; const auto node = readers.Next(); ++reads) {
      ASSERT_EQ(plan.Read(*node), Verdict::kExpected) << reads;
      ASSERT_EQ(ReadersPlace(plan), readers.farthest() + 1);
      Prefetch(plan, 3000);
      if (!plan.is_active()) break;  // the farthest is at the end, the others follow
    }
    EXPECT_GT(reads, 35'000U);
    EXPECT_EQ(plan.figures().unexpected_reads, 0U);
  }
}

// The kernel answers reads of what was pushed: markers are all that is seen.
TEST(Plan, MarkersAloneShowWhereReadersOutOfStepAre) {
  const Order order = Shuffled(60'000, 3);
  Plan plan(order.size());
  Tell(plan, order);
  std::vector<bool> is_pushed(order.size());
  const auto go_ahead = [&] {
    while (const auto step = plan.Next(6000)) is_pushed[step->node] = !step->is_marker;
  };
  go_ahead();
  EightReaders readers(order, 3);
  while (const auto node = readers.Next()) {
    if (is_pushed[*node]) continue;
    if (!plan.is_active()) break;
    ASSERT_EQ(plan.Read(*node), Verdict::kExpected);
    ASSERT_LE(ReadersPlace(plan), readers.farthest() + 1);
    ASSERT_LE(readers.farthest(), ReadersPlace(plan) + 2 * 256);
    go_ahead();
  }
  EXPECT_EQ(plan.figures().overtaken, 0U);
  EXPECT_EQ(plan.figures().unexpected_reads, 0U);
  EXPECT_EQ(plan.figures().left, 0U);
}

// --- Overtaken

TEST(Plan, AnOvertakenPlanGoesOnAheadOfItsReaders) {
  Plan plan(10'000);
  Tell(plan, InOrder(0, 10'000));
  Prefetch(plan, 100);
  EXPECT_EQ(plan.Read(500), Verdict::kExpected);
  const auto step = plan.Next(1000);
  ASSERT_TRUE(step.has_value());
  EXPECT_GT(step->node, 501U) << "by a margin, or the readers overtake the next as well";
  EXPECT_LE(step->node, 501U + 64);
  EXPECT_EQ(plan.figures().overtaken, step->node - 100);
}

TEST(Plan, ReadersWhoAreFasterAreLeftAGrowingMargin) {
  Plan plan(40'000);
  Tell(plan, InOrder(0, 40'000));
  uint64_t last_margin = 0;
  for (int times = 0; times < 5; ++times) {
    const uint64_t place = PrefetchPlace(plan) + 10;
    ASSERT_EQ(plan.Read(place), Verdict::kExpected);
    const uint64_t margin = PrefetchPlace(plan) - place;
    EXPECT_GT(margin, last_margin);
    last_margin = margin;
  }
  for (int times = 0; times < 10; ++times) plan.Read(PrefetchPlace(plan));
  EXPECT_LE(plan.figures().ahead, 2048U);
}

TEST(Plan, AMarginShrinksWhileThePlanIsAhead) {
  Plan plan(40'000);
  Tell(plan, InOrder(0, 40'000));
  for (int times = 0; times < 8; ++times) plan.Read(PrefetchPlace(plan));
  const uint64_t wide = plan.figures().ahead;
  for (uint64_t reads = 0; reads < 20; ++reads) {
    Prefetch(plan, wide + 100);
    plan.Read(ReadersPlace(plan));
  }
  plan.Read(PrefetchPlace(plan));
  EXPECT_LT(plan.figures().ahead, wide / 8);
}

TEST(Plan, AnOvertakenPlanNeverGoesBeyondItsEnd) {
  Plan plan(100);
  Tell(plan, InOrder(0, 100));
  EXPECT_EQ(plan.Read(95), Verdict::kExpected);
  EXPECT_EQ(plan.figures().left, 0U);
  EXPECT_EQ(plan.figures().overtaken, 100U);
  EXPECT_TRUE(plan.is_active());
  EXPECT_EQ(plan.Read(99), Verdict::kExpected);
  EXPECT_FALSE(plan.is_active());
}

TEST(Plan, ReadersWhoJumpFarAreFollowed) {
  const Order order = Shuffled(60'000, 1);
  Plan plan(order.size());
  Tell(plan, order);
  Prefetch(plan, 1000);
  for (size_t place = 0; place < 500; ++place) plan.Read(order[place]);
  // Eight of them, a batch apart.
  Verdict last = Verdict::kUnexpected;
  for (size_t reader = 0; reader < 8; ++reader) last = plan.Read(order[30'000 + 256 * reader]);
  EXPECT_EQ(last, Verdict::kExpected);
  EXPECT_EQ(ReadersPlace(plan), 30'000U + 256 * 7 + 1);
  EXPECT_EQ(Prefetch(plan, 10), Order(order.begin() + 31'793, order.begin() + 31'803));
  EXPECT_EQ(plan.Read(order[30'001]), Verdict::kExpected) << "the first of them is late, not gone";
  const PlanFigures figures = plan.figures();
  EXPECT_EQ(figures.prefetched + figures.overtaken + figures.left, order.size());
}

TEST(Plan, SomebodyWhoReadsPlannedSamplesElsewhereDoesNotCarryItAway) {
  const Order order = Shuffled(200'000, 1);
  Plan plan(order.size());
  Tell(plan, order);
  Prefetch(plan, 1000);
  std::mt19937_64 random(1);
  for (size_t place = 0; place < 20'000; ++place) {
    ASSERT_EQ(plan.Read(order[place]), Verdict::kExpected);
    Prefetch(plan, 1000);
    for (int reads = 0; reads < 4; ++reads) {
      const size_t elsewhere = place + 6000 + random() % 100'000;
      ASSERT_EQ(plan.Read(order[elsewhere]), Verdict::kUnexpected);
    }
    ASSERT_EQ(ReadersPlace(plan), place + 1);
  }
}

// Without a read of the readers' own in between: a path order of samples is a shuffle of the plan's places.
TEST(Plan, AScanOfThePlannedSamplesDoesNotCarryItAway) {
  const Order order = Shuffled(200'000, 1);
  Plan plan(order.size());
  Tell(plan, order);
  Prefetch(plan, 1000);
  for (size_t place = 0; place < 900; ++place) plan.Read(order[place]);
  std::mt19937_64 random(1);
  for (int reads = 0; reads < 250; ++reads) plan.Read(order[6000 + random() % 190'000]);
  EXPECT_EQ(ReadersPlace(plan), 900U);
}

// --- Left

TEST(Plan, ItsReadersLeaveItWith256UnexpectedReadsInARow) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 500));
  Prefetch(plan, 100);
  plan.Read(0);
  for (NodeNumber node = 500; node < 755; ++node) ASSERT_EQ(plan.Read(node), Verdict::kUnexpected);
  EXPECT_EQ(plan.Read(755), Verdict::kForgotten);
  EXPECT_FALSE(plan.is_active());
  EXPECT_FALSE(plan.Next(kWideWindow).has_value());
  EXPECT_EQ(plan.Read(1), Verdict::kNoPlan);
  EXPECT_EQ(plan.figures().forgotten_plans, 1U);
  EXPECT_EQ(plan.figures().unexpected_reads, 256U);
}

TEST(Plan, OneExpectedReadKeepsIt) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 500));
  Prefetch(plan, 100);
  for (int round = 0; round < 5; ++round) {
    for (NodeNumber node = 500; node < 755; ++node) ASSERT_EQ(plan.Read(node), Verdict::kUnexpected);
    ASSERT_EQ(plan.Read(round), Verdict::kExpected);
  }
}

TEST(Plan, ALaterPlanGoesOnWhenTheFirstIsLeft) {
  // However far the prefetching has come meanwhile: in the first plan, at its end, in the second.
  for (const uint64_t window : {100, 500, 700, 1000}) {
    SCOPED_TRACE(window);
    Plan plan(2000);
    Tell(plan, InOrder(0, 500));
    Tell(plan, InOrder(500, 500));
    Prefetch(plan, window);
    for (NodeNumber node = 1000; node < 1256; ++node) plan.Read(node);
    EXPECT_EQ(plan.figures().forgotten_plans, 1U);
    EXPECT_TRUE(plan.is_active());
    EXPECT_EQ(plan.Future(), InOrder(500, 500));
    const NodeNumber first = std::max<NodeNumber>(500, window);
    EXPECT_EQ(Prefetch(plan, window), InOrder(first, std::min<NodeNumber>(1000, 500 + window) - first));
    EXPECT_EQ(plan.Read(500), Verdict::kExpected);
  }
}

TEST(Plan, TheLastOfTwoPlansIsForgottenAsWell) {
  Plan plan(2000);
  Tell(plan, InOrder(0, 500));
  Tell(plan, InOrder(500, 500));
  Prefetch(plan, 100);
  for (NodeNumber node = 1000; node < 1512; ++node) plan.Read(node);
  EXPECT_EQ(plan.figures().forgotten_plans, 2U);
  EXPECT_FALSE(plan.is_active());
}

// --- Several plans

TEST(Plan, ANewPlanFollowsWhatIsLeftOfTheLast) {
  Plan plan(100);
  Tell(plan, InOrder(0, 10));
  Prefetch(plan, 5);
  plan.Read(4);
  Tell(plan, InOrder(50, 10));
  const Order both = Joined(InOrder(5, 5), InOrder(50, 10));
  EXPECT_EQ(plan.Future(), both);
  EXPECT_EQ(Prefetch(plan, 100), both);
}

TEST(Plan, PlansThatNobodyComesToDoNotPileUp) {
  Plan plan(1000);
  for (NodeNumber epoch = 0; epoch < 10; ++epoch) {
    Tell(plan, InOrder(epoch * 100, 100));
    EXPECT_LE(plan.Future().size(), 200U) << epoch;
  }
  const Order last = InOrder(800, 200);
  EXPECT_EQ(plan.Future(), last);
  EXPECT_EQ(Prefetch(plan, kWideWindow / 2), last);
}

TEST(Plan, PlansThatTellNothingDropNone) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 100));
  for (int times = 0; times < 5; ++times) plan.Begin();
  EXPECT_EQ(plan.Future(), InOrder(0, 100));
}

TEST(Plan, TheNextPlanHasItsRoomWhereTheLastWasTooLong) {
  Plan plan(1000);
  plan.Begin();
  for (uint64_t i = 0; i < Plan::kMaxPlaces + 5; ++i) plan.Append(i % 100);
  Tell(plan, InOrder(500, 400));
  EXPECT_EQ(plan.figures().ignored, 5U);
  EXPECT_EQ(plan.Future(Plan::kMaxPlaces), InOrder(500, 400));
  // Nobody follows the first: after so many reads the second is followed.
  Prefetch(plan, 50);
  for (NodeNumber node = 500; node < 756; ++node) plan.Read(node);
  EXPECT_EQ(plan.figures().forgotten_plans, 1U);
  EXPECT_EQ(plan.Read(756), Verdict::kExpected);
  EXPECT_EQ(plan.Future(), InOrder(757, 143));
}

TEST(Plan, WhereAllPlacesAreTakenTheLastPlanWins) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 100));
  for (int times = 0; times < 3; ++times) {
    plan.Begin();
    for (uint64_t i = 0; i < Plan::kMaxPlaces; ++i) plan.Append(100 + i % 800);
    if (times == 0) plan.Read(50);  // the first is followed, so that the others wait
    EXPECT_LE(plan.figures().memory_bytes, 4 * Plan::kMaxPlacesOfAll + (uint64_t{3} << 20));
  }
  EXPECT_EQ(plan.figures().ignored, 0U);
  EXPECT_EQ(plan.Future().size(), Plan::kMaxPlaces);
  EXPECT_EQ(Prefetch(plan, 700), InOrder(100, 700));
}

// One who writes on and on, while readers follow, is never cut off.
TEST(Plan, APlanMayGoOnWithoutEndWhileItIsRead) {
  constexpr uint64_t kNodes = 1 << 20;
  Plan plan(kNodes);
  plan.Begin();
  uint64_t place = 0;
  for (uint64_t told = 0; told < Plan::kMaxPlaces + kNodes; ++told) {
    plan.Append(told % kNodes);
    if (told < place + 2000 || told % 16 != 0) continue;
    Prefetch(plan, 3000);
    place = told - 1000;
    ASSERT_EQ(plan.Read(place % kNodes), Verdict::kExpected) << place;
  }
  EXPECT_EQ(plan.figures().ignored, 0U);
}

// Short epochs, each told while the one before is being read.
TEST(Plan, APlanThatIsBeingReadIsNotDroppedForLaterOnes) {
  Plan plan(1000);
  Tell(plan, InOrder(0, 100));
  Prefetch(plan, 50);
  plan.Read(40);
  Tell(plan, InOrder(100, 100));
  Tell(plan, InOrder(200, 100));
  EXPECT_EQ(plan.Future(), InOrder(41, 259));
  EXPECT_EQ(plan.Read(41), Verdict::kExpected);
}

TEST(Plan, EpochsToldOneByOneAreReadToTheirEnds) {
  Plan plan(3000);
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const Order order = Shuffled(3000, epoch);
    Tell(plan, order);
    for (const NodeNumber node : order) {
      Prefetch(plan, 200);
      ASSERT_EQ(plan.Read(node), Verdict::kExpected);
    }
    ASSERT_FALSE(plan.is_active());
  }
  const PlanFigures figures = plan.figures();
  EXPECT_EQ(figures.prefetched, 60'000U);
  EXPECT_EQ(figures.overtaken, 0U);
  EXPECT_EQ(figures.unexpected_reads, 0U);
}

// --- A sample at several places

TEST(Plan, TwoEpochsInOnePlanAreFollowedPlaceByPlace) {
  const Order order = Joined(Shuffled(20'000, 1), Shuffled(20'000, 2));
  Plan plan(20'000);
  Tell(plan, order);
  for (size_t place = 0; place < order.size(); ++place) {
    Prefetch(plan, 1000);
    ASSERT_EQ(plan.Read(order[place]), Verdict::kExpected) << place;
    ASSERT_LE(ReadersPlace(plan), place + 1);
    ASSERT_GE(ReadersPlace(plan), place);
  }
}

// The kernel keeps what it is given for a while, in which no read is seen.
TEST(Plan, MarkersAloneShowWhichOfTwoEpochsIsRead) {
  constexpr size_t kNodes = 100'000;
  constexpr size_t kKept = 50'000;
  const Order order = Joined(Shuffled(kNodes, 1), Shuffled(kNodes, 2));
  Plan plan(kNodes);
  Tell(plan, order);
  std::vector<int> copies(kNodes);
  std::deque<NodeNumber> kept;
  const auto keep = [&](NodeNumber node) {
    ++copies[node];
    kept.push_back(node);
    if (kept.size() <= kKept) return;
    --copies[kept.front()];
    kept.pop_front();
  };
  for (size_t place = 0; place < order.size(); ++place) {
    while (const auto step = plan.Next(30'000))
      if (!step->is_marker) keep(step->node);
    const NodeNumber node = order[place];
    if (copies[node] > 0) continue;
    ASSERT_EQ(plan.Read(node), Verdict::kExpected) << place;
    keep(node);
    ASSERT_LE(ReadersPlace(plan), place + 1) << place;
  }
  EXPECT_EQ(plan.figures().left, 0U);
}

TEST(Plan, AnEpochShorterThanTheWindowDoesNotRunAway) {
  Plan plan(1000);
  for (uint64_t epoch = 0; epoch < 100; ++epoch) Append(plan, Shuffled(1000, epoch));
  const Order order = plan.Future();
  for (size_t place = 0; place < order.size(); ++place) {
    Prefetch(plan, 5000);
    ASSERT_EQ(plan.Read(order[place]), Verdict::kExpected) << place;
    ASSERT_LE(ReadersPlace(plan), place + 1) << place;
    if (!plan.is_active()) break;
  }
}

// Weighted samplers draw with replacement.
TEST(Plan, SamplesDrawnAtRandomAreFollowedPlaceByPlace) {
  constexpr uint64_t kNodes = 50'000;
  std::mt19937_64 random(1);
  Order order(kNodes);
  for (NodeNumber& node : order) node = random() % kNodes;
  Plan plan(kNodes);
  Tell(plan, order);
  for (size_t place = 0; place < order.size(); ++place) {
    Prefetch(plan, 5000);
    ASSERT_EQ(plan.Read(order[place]), Verdict::kExpected) << place;
    ASSERT_LE(ReadersPlace(plan), place + 1 + 2 * 128) << place;
    ASSERT_GE(ReadersPlace(plan) + 8, place) << place;
  }
}

TEST(Plan, OneSampleAgainAndAgainIsReadToTheEnd) {
  Plan plan(10);
  Append(plan, Order(1000, 7));
  for (int reads = 0; reads < 1000 && plan.is_active(); ++reads) {
    Prefetch(plan, 50);
    ASSERT_EQ(plan.Read(7), Verdict::kExpected);
  }
  EXPECT_EQ(plan.figures().unexpected_reads, 0U);
}

// The second time a part is read the kernel has all of it, so that nobody is seen; then the readers are far beyond.
TEST(Plan, ReadersWhoPassedARepetitionUnseenAreFoundAgain) {
  const Order order = Joined(Joined(InOrder(0, 1000), InOrder(0, 1000)), InOrder(1000, 4000));
  Plan plan(5000);
  Tell(plan, order);
  Prefetch(plan, 4000);
  for (size_t place = 0; place < 990; ++place) ASSERT_EQ(plan.Read(order[place]), Verdict::kExpected);
  for (size_t place = 2000; place < 2200; ++place) plan.Read(order[place]);
  EXPECT_EQ(ReadersPlace(plan), 2200U);
  EXPECT_LE(plan.figures().unexpected_reads, 10U);
}

// --- Any order of events

struct Model {
  explicit Model(uint64_t seed)
      : random(seed),
        window(1 + random() % 3000),
        nodes(1 + random() % 4000),
        first_place(random() % 2 == 0 ? 0 : (uint64_t{1} << 32) - random() % 10'000),
        has_repetitions(random() % 3 == 0),
        plan(2 * nodes, first_place) {}

  void TellMore() {
    if (has_repetitions) {
      if (!order.empty() && readers() <= begun_at) return;  // or the last but one is dropped
      begun_at = order.size();
      plan.Begin();
      for (uint64_t i = random() % 2000; i > 0; --i) AppendNode(random() % nodes);
    } else {
      // Each node once.
      if (!order.empty()) return;
      plan.Begin();
      for (const NodeNumber node : Shuffled(nodes, random())) AppendNode(node);
    }
  }
  void AppendNode(NodeNumber node) {
    plan.Append(node);
    order.push_back(node);
  }
  [[nodiscard]] uint64_t next() const { return order.size() - plan.figures().left; }
  [[nodiscard]] uint64_t readers() const { return next() - plan.figures().ahead; }

  void GoAhead() {
    const uint64_t before = next();
    const uint64_t limit = readers() + window;
    const auto step = plan.Next(window);
    if (!step) {
      EXPECT_TRUE(before == order.size() || before >= limit);
      return;
    }
    const uint64_t place = next() - 1;
    EXPECT_EQ(place, before) << "a place was left out, or given twice";
    EXPECT_LT(place, limit);
    EXPECT_EQ(step->node, order[place]);
    EXPECT_EQ(step->is_marker, (first_place + place) % Plan::kMarkerSpacing == 0);
  }

  // In order where samples repeat, else out of step.
  void ReadPlanned() {
    if (position >= order.size()) return;
    uint64_t place = position;
    if (!has_repetitions) {
      place = std::min<uint64_t>(order.size() - 1, position + random() % 2000);
      if (random() % 16 == 0) position = place + 1;
    } else {
      ++position;
    }
    const bool was_active = plan.is_active();
    EXPECT_EQ(plan.Read(order[place]), was_active ? Verdict::kExpected : Verdict::kNoPlan) << place;
    // One place of a sample may be taken for another of it.
    if (!has_repetitions && was_active) {
      EXPECT_GE(readers(), place + 1);
    }
  }

  void ReadOther() {
    const auto verdict = plan.Read(nodes + random() % nodes);
    EXPECT_TRUE(verdict == Verdict::kUnexpected || verdict == Verdict::kNoPlan);
  }

  void Check() {
    const PlanFigures figures = plan.figures();
    EXPECT_EQ(figures.told, order.size());
    EXPECT_EQ(figures.prefetched + figures.overtaken + figures.left, order.size());
    EXPECT_EQ(plan.Future(), Order(order.begin() + static_cast<ptrdiff_t>(readers()), order.end()));
    EXPECT_EQ(plan.is_active(), readers() < order.size());
  }

  std::mt19937_64 random;
  const uint64_t window;
  const uint64_t nodes;
  const uint64_t first_place;
  const bool has_repetitions;
  Plan plan;
  Order order;
  uint64_t position = 0;
  uint64_t begun_at = 0;
};

TEST(Plan, KeepsItsPromisesInAnyOrderOfEvents) {
  for (uint64_t seed = 0; seed < 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    const uint64_t eagerness = model.random() % 8;
    model.TellMore();
    for (int step = 0; step < 4000 && !testing::Test::HasFailure(); ++step) {
      const uint64_t event = model.random() % 16;
      if (event < 2 + eagerness)
        model.GoAhead();
      else if (event < 14)
        model.ReadPlanned();
      else if (event == 14 && model.random() % 4 == 0)
        model.ReadOther();
      else if (model.random() % 400 == 0 && model.readers() + 500 >= model.order.size())
        model.TellMore();
      if (step % 97 == 0) model.Check();
    }
    model.Check();
  }
}

// Nodes of a long-lived mount are told of at more places than their entries have numbers for.
TEST(Plan, GoesOnBehindFourBillionPlaces) {
  Plan plan(1000, (uint64_t{1} << 32) - 1500);
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    const Order order = Shuffled(1000, epoch);
    Tell(plan, order);
    for (const NodeNumber node : order) {
      Prefetch(plan, 100);
      ASSERT_EQ(plan.Read(node), Verdict::kExpected);
    }
    ASSERT_FALSE(plan.is_active());
  }
}

}  // namespace
}  // namespace quire
