// SPDX-License-Identifier: Apache-2.0
// Goal: samples are pushed while there is memory for them; what was pushed in vain makes pushing back off, longer each
// time, and success makes it come back. Pages are filled and swept ahead of their readers in proportion to what is
// read, where the kernel has room for all, and the arena grows no further than memory and its use ask for.
#include "cache/policy/residency.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "format/pack/geometry.h"

namespace quire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
// As many dropped samples as end pushing for a while.
constexpr int kManyDropped = 64;

constexpr uint64_t kPages = 3200;
constexpr uint64_t kSamplesAPage = 19;  // of 110 KB
constexpr double kRent = 0.087;         // what reading one of them alone costs, as a share of its page's price

// A machine whose memory and clock the test moves.
class ResidencyTest : public testing::Test {
 protected:
  Residency Make(PushMode mode, uint64_t data_bytes) {
    return {mode,
            {.bytes = data_bytes, .samples = kPages * kSamplesAPage, .pages = kPages},
            {.available_bytes = [this] { return available_bytes_; }, .now = [this] { return now_; }}};
  }
  void SetAvailable(Residency& residency, uint64_t bytes) {
    available_bytes_ = bytes;
    residency.LookAtMemory();
  }
  static void Drop(Residency& residency, int samples) {
    for (int i = 0; i < samples; ++i) residency.SampleDropped();
  }

  uint64_t available_bytes_ = 16 * kGiB;
  Residency::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(ResidencyTest, WhatFitsInHalfOfMemoryIsPushed) {
  auto residency = Make(PushMode::kAuto, 4 * kGiB);
  SetAvailable(residency, 8 * kGiB);
  EXPECT_TRUE(residency.HasRoom());
  EXPECT_TRUE(residency.AllowsPush(false));
  SetAvailable(residency, 8 * kGiB - 2);
  EXPECT_FALSE(residency.HasRoom());
  EXPECT_FALSE(residency.AllowsPush(false));
}

TEST_F(ResidencyTest, OnASequentialRunItNeedNotFit) {
  auto residency = Make(PushMode::kAuto, 400 * kGiB);
  EXPECT_FALSE(residency.AllowsPush(false));
  EXPECT_TRUE(residency.AllowsPush(true));
}

TEST_F(ResidencyTest, MemoryForOthersIsLeftAlone) {
  for (const PushMode mode : {PushMode::kAuto, PushMode::kOn}) {
    auto residency = Make(mode, 1000);
    SetAvailable(residency, 64 * kMiB);
    EXPECT_TRUE(residency.AllowsPush(false));
    EXPECT_GT(residency.PlanBytes(), 0U);
    SetAvailable(residency, 64 * kMiB - 1);
    EXPECT_FALSE(residency.AllowsPush(true));
    EXPECT_EQ(residency.PlanBytes(), 0U);
  }
}

TEST_F(ResidencyTest, OffPushesNothing) {
  auto residency = Make(PushMode::kOff, 1000);
  EXPECT_FALSE(residency.AllowsPush(true));
  EXPECT_EQ(residency.PlanBytes(), 0U);
}

TEST_F(ResidencyTest, OnNeitherAsksWhetherItFitsNorWhetherItPays) {
  auto residency = Make(PushMode::kOn, 400 * kGiB);
  residency.PageLookedThrough(100 * kGiB, true, true);
  Drop(residency, 10 * kManyDropped);
  EXPECT_TRUE(residency.AllowsPush(false));
  EXPECT_GT(residency.PlanBytes(), 0U);
}

TEST_F(ResidencyTest, FiguresTellOfTheControlGroup) {
  auto residency = Make(PushMode::kAuto, kGiB);
  residency.PageLookedThrough(100, true, true);
  residency.PageLookedThrough(50, false, false);
  residency.PageLookedThrough(30, true, true);
  residency.ControlRead();
  residency.SampleDropped();
  const PushFigures figures = residency.figures();
  EXPECT_EQ(figures.pages, 3U);
  EXPECT_EQ(figures.handed_on_pages, 2U);
  EXPECT_EQ(figures.control_pages, 2U);
  EXPECT_EQ(figures.pushed_page_bytes, 180U);
  EXPECT_EQ(figures.control_pages_read, 1U);
  EXPECT_EQ(figures.dropped_samples, 1U);
  EXPECT_EQ(figures.pauses, 0U);
}

TEST_F(ResidencyTest, ManyDroppedSamplesPauseItForASecond) {
  auto residency = Make(PushMode::kAuto, kGiB);
  Drop(residency, kManyDropped - 1);
  EXPECT_TRUE(residency.AllowsPush(true));
  Drop(residency, 1);
  EXPECT_FALSE(residency.AllowsPush(true));
  EXPECT_EQ(residency.PlanBytes(), 0U);
  EXPECT_EQ(residency.figures().pauses, 1U);
  now_ += milliseconds(999);
  EXPECT_FALSE(residency.AllowsPush(true));
  now_ += milliseconds(1);
  EXPECT_TRUE(residency.AllowsPush(true));
  EXPECT_GT(residency.PlanBytes(), 0U);
}

TEST_F(ResidencyTest, AnEighthOfManyPushedIsManyDropped) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (int i = 0; i < 4000; ++i) residency.SamplePushed();
  Drop(residency, 499);
  EXPECT_TRUE(residency.AllowsPush(true));
  Drop(residency, 1);
  EXPECT_FALSE(residency.AllowsPush(true));
}

TEST_F(ResidencyTest, EachPauseIsTwiceAsLongAsTheLastUpToSixtyFourSeconds) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (const int length_s : {1, 2, 4, 8, 16, 32, 64, 64}) {
    Drop(residency, kManyDropped);
    now_ += seconds(length_s) - milliseconds(1);
    EXPECT_FALSE(residency.AllowsPush(true)) << length_s;
    now_ += milliseconds(1);
    EXPECT_TRUE(residency.AllowsPush(true)) << length_s;
  }
}

// When memory gets short the kernel drops what was pushed by the thousand: that is one event, and one pause.
TEST_F(ResidencyTest, SamplesFoundDroppedDuringAPauseDoNotMakeItLonger) {
  auto residency = Make(PushMode::kAuto, kGiB);
  Drop(residency, 100 * kManyDropped);
  EXPECT_EQ(residency.figures().pauses, 1U);
  EXPECT_EQ(residency.figures().dropped_samples, 100U * kManyDropped);
  now_ += seconds(1);
  EXPECT_TRUE(residency.AllowsPush(true));
  Drop(residency, kManyDropped);
  now_ += milliseconds(1999);
  EXPECT_FALSE(residency.AllowsPush(true));
  now_ += milliseconds(1);
  EXPECT_TRUE(residency.AllowsPush(true));
}

TEST_F(ResidencyTest, FourThousandThatStayedMakeTheNextPauseShortAgain) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (const int length_s : {1, 2, 4}) {
    Drop(residency, kManyDropped);
    now_ += seconds(length_s);
  }
  for (int i = 0; i < 4096; ++i) residency.SamplePushed();
  Drop(residency, kManyDropped);
  EXPECT_FALSE(residency.AllowsPush(true));
  now_ += seconds(1);
  EXPECT_TRUE(residency.AllowsPush(true));
}

TEST_F(ResidencyTest, FewDroppedAmongManyPushedNeverAddUp) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (int round = 0; round < 10; ++round) {
    Drop(residency, kManyDropped - 1);
    for (int i = 0; i < 4096; ++i) residency.SamplePushed();
  }
  EXPECT_EQ(residency.figures().pauses, 0U);
  EXPECT_TRUE(residency.AllowsPush(true));
}

TEST_F(ResidencyTest, APlanGoesAnEighthOfMemoryAheadAndNoMoreThan256MiB) {
  auto residency = Make(PushMode::kAuto, 400 * kGiB);
  SetAvailable(residency, 400 * kMiB);
  EXPECT_EQ(residency.PlanBytes(), 50 * kMiB);
  SetAvailable(residency, 64 * kGiB);
  EXPECT_EQ(residency.PlanBytes(), 256 * kMiB);
}

TEST_F(ResidencyTest, WhereNotAllFindsRoomAPlanAloneSaysWhatIsWorthIt) {
  for (const PushMode mode : {PushMode::kAuto, PushMode::kOn}) {
    auto residency = Make(mode, 4 * kGiB);
    SetAvailable(residency, 4 * kGiB);
    EXPECT_TRUE(residency.AllowsPush(true));
    residency.SetPlanActive(true);
    EXPECT_FALSE(residency.AllowsPush(true));
    SetAvailable(residency, 16 * kGiB);
    now_ += seconds(1);
    EXPECT_TRUE(residency.AllowsPush(true)) << "all of it finds room";
  }
}

// --- What is filled on the strength of what is to come

// A reader who asks for samples at random places.
void Miss(Residency& residency, uint64_t misses) {
  for (uint64_t i = 0; i < misses; ++i) residency.Missed(i * 1237 % kPages, kRent);
}

TEST_F(ResidencyTest, PagesAreFilledOnTrustAndThenForWhatWasPaid) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (int i = 0; i <= 512; ++i) {
    ASSERT_TRUE(residency.MayFill()) << i;
    residency.Filled();
  }
  EXPECT_FALSE(residency.MayFill());
  Miss(residency, 100);  // which paid 8.7 prices, and so 69 pages
  for (int i = 0; i < 69; ++i) {
    ASSERT_TRUE(residency.MayFill()) << i;
    residency.Filled();
  }
  EXPECT_FALSE(residency.MayFill());
}

TEST_F(ResidencyTest, AControlThatWasReadPaysForAllItStandsFor) {
  auto residency = Make(PushMode::kAuto, kGiB);
  Miss(residency, 1);
  for (int i = 0; i < 520; ++i) residency.Filled();
  EXPECT_FALSE(residency.MayFill());
  residency.ControlRead();
  for (int i = 0; i < 200; ++i) residency.Filled();  // 16 pages of 19 samples: 26 prices, eightfold
  EXPECT_TRUE(residency.MayFill());
}

TEST_F(ResidencyTest, NothingIsFilledAheadWithoutRoomOrWithoutPushing) {
  auto residency = Make(PushMode::kAuto, 4 * kGiB);
  EXPECT_TRUE(residency.MayFill());
  SetAvailable(residency, 8 * kGiB - 2);
  EXPECT_FALSE(residency.MayFill());
  EXPECT_FALSE(Make(PushMode::kOff, 1000).MayFill());
}

TEST_F(ResidencyTest, AShuffleOfTheWholeVolumeIsSwept) {
  auto residency = Make(PushMode::kAuto, kGiB);
  Miss(residency, 8);
  EXPECT_EQ(residency.SweepAllowance(), 0U);
  Miss(residency, 32);
  EXPECT_TRUE(residency.IsSpread());
  EXPECT_EQ(residency.SweepAllowance(), 160U) << "four for each miss";
  for (int i = 0; i < 160; ++i) residency.Swept();
  EXPECT_EQ(residency.SweepAllowance(), 0U);
  residency.Missed(7, kRent);
  EXPECT_EQ(residency.SweepAllowance(), 4U);
}

TEST_F(ResidencyTest, AClassReadAloneOrAFewSweepNothing) {
  auto residency = Make(PushMode::kAuto, kGiB);
  EXPECT_FALSE(residency.IsSpread());
  for (uint64_t i = 0; i < 1000; ++i) residency.Missed(1000 + i % 32, kRent);  // a hundredth, in path order
  EXPECT_EQ(residency.SweepAllowance(), 0U);
  for (uint64_t i = 0; i < 1000; ++i) residency.Missed(i % 10 * 320 + i % 32, kRent);  // ten of a hundred
  EXPECT_EQ(residency.SweepAllowance(), 0U);
  EXPECT_FALSE(residency.IsSpread());
}

TEST_F(ResidencyTest, NothingIsSweptWithoutRoom) {
  auto residency = Make(PushMode::kAuto, 4 * kGiB);
  Miss(residency, 64);
  EXPECT_GT(residency.SweepAllowance(), 0U);
  SetAvailable(residency, 7 * kGiB);
  EXPECT_EQ(residency.SweepAllowance(), 0U);
}

// --- How large the arena may be

TEST_F(ResidencyTest, AStreamNeedsFewSlotsAndAStoreManyMore) {
  auto stream = Make(PushMode::kAuto, kGiB);
  EXPECT_LE(stream.SlotLimit(0) * kPageBytes, 240 * kMiB);
  auto store = Make(PushMode::kAuto, 400 * kGiB);
  EXPECT_EQ(store.SlotLimit(0) * kPageBytes, 2 * kGiB);
}

TEST_F(ResidencyTest, WherePagesCannotBeHandedOnTheArenaIsAStore) {
  auto residency = Make(PushMode::kAuto, kGiB);
  for (int i = 0; i < 100; ++i) residency.PageLookedThrough(0, false, false);
  EXPECT_EQ(residency.SlotLimit(0) * kPageBytes, 2 * kGiB);
}

// As for a plan, which fills 65 % of a control group's memory with what is read next.
TEST_F(ResidencyTest, AnArenaWhoseSizeWasAskedForGrowsWhileMemoryIsLeftAndShrinksWhereNoneIs) {
  Residency residency(PushMode::kAuto, {.bytes = 400 * kGiB, .is_arena_asked_for = true},
                      {.available_bytes = [this] { return available_bytes_; }});
  const uint64_t memory_bytes = 2 * kGiB;
  uint32_t slots = 0;
  while (slots * kPageBytes < memory_bytes * 65 / 100) {
    SetAvailable(residency, memory_bytes - slots * kPageBytes);
    ASSERT_GT(residency.SlotLimit(slots), slots);
    ++slots;
  }
  SetAvailable(residency, 64 * kMiB - 1);
  EXPECT_LT(residency.SlotLimit(slots), slots);
  EXPECT_GT(residency.SlotLimit(slots), slots * 3 / 4);
}

TEST_F(ResidencyTest, TheArenasOfManyMountsStayInsideWhatIsAvailable) {
  auto residency = Make(PushMode::kAuto, 400 * kGiB);
  // Ten that grow in turn, as long as they may.
  std::array<uint64_t, 10> slots = {};
  const uint64_t memory_bytes = 2 * kGiB;
  for (int round = 0; round < 1000; ++round) {
    for (uint64_t& own : slots) {
      const uint64_t taken = std::accumulate(slots.begin(), slots.end(), uint64_t{0}) * kPageBytes;
      SetAvailable(residency, memory_bytes - taken);
      if (own < residency.SlotLimit(static_cast<uint32_t>(own))) ++own;
    }
  }
  const uint64_t all_bytes = std::accumulate(slots.begin(), slots.end(), uint64_t{0}) * kPageBytes;
  EXPECT_LE(all_bytes, memory_bytes * 6 / 10);
  EXPECT_GE(all_bytes, memory_bytes * 4 / 10);
}

}  // namespace
}  // namespace quire
