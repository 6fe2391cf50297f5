// Goal: samples are pushed while there is memory for them and while it pays, as far as the control group tells; what
// was pushed in vain makes pushing back off, longer each time, and success makes it come back.
#include "fs/push_budget.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
// As many dropped samples as end pushing for a while.
constexpr int kManyDropped = 64;

// A machine whose memory and clock the test moves. Budgets look at memory ten times a second: each change of it here
// lets a tenth pass.
class PushBudgetTest : public testing::Test {
 protected:
  PushBudget Make(PushMode mode, uint64_t data_bytes) {
    return {mode,
            data_bytes,
            {.available_bytes =
                 [this] {
                   ++looks_;
                   return available_bytes_;
                 },
             .now = [this] { return now_; }}};
  }
  void SetAvailable(uint64_t bytes) {
    available_bytes_ = bytes;
    now_ += milliseconds(100);
  }
  static void Drop(PushBudget& budget, int samples) {
    for (int i = 0; i < samples; ++i) budget.SampleDropped();
  }

  uint64_t available_bytes_ = 16 * kGiB;
  PushBudget::Clock::time_point now_{std::chrono::hours(1)};
  int looks_ = 0;
};

TEST_F(PushBudgetTest, WhatFitsInHalfOfMemoryIsPushed) {
  auto budget = Make(PushMode::kAuto, 4 * kGiB);
  SetAvailable(8 * kGiB);
  EXPECT_TRUE(budget.DataFits());
  EXPECT_TRUE(budget.AllowsPage(false));
  SetAvailable(8 * kGiB - 2);
  EXPECT_FALSE(budget.DataFits());
  EXPECT_FALSE(budget.AllowsPage(false));
}

TEST_F(PushBudgetTest, OnASequentialRunItNeedNotFit) {
  auto budget = Make(PushMode::kAuto, 400 * kGiB);
  EXPECT_FALSE(budget.AllowsPage(false));
  EXPECT_TRUE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, MemoryForOthersIsLeftAlone) {
  for (const PushMode mode : {PushMode::kAuto, PushMode::kOn}) {
    auto budget = Make(mode, 1000);
    SetAvailable(64 * kMiB);
    EXPECT_TRUE(budget.AllowsPage(false));
    EXPECT_GT(budget.PlanBytes(), 0U);
    SetAvailable(64 * kMiB - 1);
    EXPECT_FALSE(budget.AllowsPage(true));
    EXPECT_EQ(budget.PlanBytes(), 0U);
  }
}

TEST_F(PushBudgetTest, MemoryIsLookedAtTenTimesASecond) {
  auto budget = Make(PushMode::kAuto, 1000);
  for (int i = 0; i < 100; ++i) {
    budget.AllowsPage(false);
    budget.PlanBytes();
    budget.DataFits();
    now_ += milliseconds(10);
  }
  EXPECT_EQ(looks_, 10);
}

TEST_F(PushBudgetTest, OffPushesNothing) {
  auto budget = Make(PushMode::kOff, 1000);
  EXPECT_FALSE(budget.AllowsPage(true));
  EXPECT_EQ(budget.PlanBytes(), 0U);
}

TEST_F(PushBudgetTest, OnNeitherAsksWhetherItFitsNorWhetherItPays) {
  auto budget = Make(PushMode::kOn, 400 * kGiB);
  budget.PagePushed(100 * kGiB, true);
  Drop(budget, 10 * kManyDropped);
  EXPECT_TRUE(budget.AllowsPage(false));
  EXPECT_GT(budget.PlanBytes(), 0U);
}

TEST_F(PushBudgetTest, HalfAGibibyteIsPushedOnTrust) {
  auto budget = Make(PushMode::kAuto, kGiB);
  budget.PagePushed(512 * kMiB, true);
  EXPECT_TRUE(budget.AllowsPage(false));
  budget.PagePushed(1, true);
  EXPECT_FALSE(budget.AllowsPage(false));
}

TEST_F(PushBudgetTest, WhatIsReadEarnsEightTimesAsMuch) {
  auto budget = Make(PushMode::kAuto, kGiB);
  budget.PagePushed(528 * kMiB, true);
  EXPECT_FALSE(budget.AllowsPage(true));
  budget.ControlRead(2 * kMiB - 1);
  EXPECT_FALSE(budget.AllowsPage(true));
  budget.ControlRead(1);
  EXPECT_TRUE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, FiguresTellOfTheControlGroup) {
  auto budget = Make(PushMode::kAuto, kGiB);
  budget.PagePushed(100, true);
  budget.PagePushed(50, false);
  budget.PagePushed(30, true);
  budget.ControlRead(150);
  budget.SampleDropped();
  const PushFigures figures = budget.figures();
  EXPECT_EQ(figures.control_pages, 2U);
  EXPECT_EQ(figures.pushed_page_bytes, 180U);
  EXPECT_EQ(figures.control_pages_read, 1U);
  EXPECT_EQ(figures.read_page_bytes, 150U);
  EXPECT_EQ(figures.dropped_samples, 1U);
  EXPECT_EQ(figures.pauses, 0U);
}

TEST_F(PushBudgetTest, ManyDroppedSamplesPauseItForASecond) {
  auto budget = Make(PushMode::kAuto, kGiB);
  Drop(budget, kManyDropped - 1);
  EXPECT_TRUE(budget.AllowsPage(true));
  Drop(budget, 1);
  EXPECT_FALSE(budget.AllowsPage(true));
  EXPECT_EQ(budget.PlanBytes(), 0U);
  EXPECT_EQ(budget.figures().pauses, 1U);
  now_ += milliseconds(999);
  EXPECT_FALSE(budget.AllowsPage(true));
  now_ += milliseconds(1);
  EXPECT_TRUE(budget.AllowsPage(true));
  EXPECT_GT(budget.PlanBytes(), 0U);
}

TEST_F(PushBudgetTest, AnEighthOfManyPushedIsManyDropped) {
  auto budget = Make(PushMode::kAuto, kGiB);
  for (int i = 0; i < 4000; ++i) budget.SamplePushed();
  Drop(budget, 499);
  EXPECT_TRUE(budget.AllowsPage(true));
  Drop(budget, 1);
  EXPECT_FALSE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, EachPauseIsTwiceAsLongAsTheLastUpToSixtyFourSeconds) {
  auto budget = Make(PushMode::kAuto, kGiB);
  for (const int length_s : {1, 2, 4, 8, 16, 32, 64, 64}) {
    Drop(budget, kManyDropped);
    now_ += seconds(length_s) - milliseconds(1);
    EXPECT_FALSE(budget.AllowsPage(true)) << length_s;
    now_ += milliseconds(1);
    EXPECT_TRUE(budget.AllowsPage(true)) << length_s;
  }
}

// When memory gets short the kernel drops what was pushed by the thousand: that is one event, and one pause.
TEST_F(PushBudgetTest, SamplesFoundDroppedDuringAPauseDoNotMakeItLonger) {
  auto budget = Make(PushMode::kAuto, kGiB);
  Drop(budget, 100 * kManyDropped);
  EXPECT_EQ(budget.figures().pauses, 1U);
  EXPECT_EQ(budget.figures().dropped_samples, 100U * kManyDropped);
  now_ += seconds(1);
  EXPECT_TRUE(budget.AllowsPage(true));
  Drop(budget, kManyDropped);
  now_ += milliseconds(1999);
  EXPECT_FALSE(budget.AllowsPage(true));
  now_ += milliseconds(1);
  EXPECT_TRUE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, FourThousandThatStayedMakeTheNextPauseShortAgain) {
  auto budget = Make(PushMode::kAuto, kGiB);
  for (const int length_s : {1, 2, 4}) {
    Drop(budget, kManyDropped);
    now_ += seconds(length_s);
  }
  for (int i = 0; i < 4096; ++i) budget.SamplePushed();
  Drop(budget, kManyDropped);
  EXPECT_FALSE(budget.AllowsPage(true));
  now_ += seconds(1);
  EXPECT_TRUE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, FewDroppedAmongManyPushedNeverAddUp) {
  auto budget = Make(PushMode::kAuto, kGiB);
  for (int round = 0; round < 10; ++round) {
    Drop(budget, kManyDropped - 1);
    for (int i = 0; i < 4096; ++i) budget.SamplePushed();
  }
  EXPECT_EQ(budget.figures().pauses, 0U);
  EXPECT_TRUE(budget.AllowsPage(true));
}

TEST_F(PushBudgetTest, APlanGoesAnEighthOfMemoryAheadAndNoMoreThan256MiB) {
  auto budget = Make(PushMode::kAuto, 400 * kGiB);
  SetAvailable(400 * kMiB);
  EXPECT_EQ(budget.PlanBytes(), 50 * kMiB);
  SetAvailable(64 * kGiB);
  EXPECT_EQ(budget.PlanBytes(), 256 * kMiB);
}

TEST_F(PushBudgetTest, WhereNotAllFindsRoomAPlanAloneSaysWhatIsWorthIt) {
  for (const PushMode mode : {PushMode::kAuto, PushMode::kOn}) {
    auto budget = Make(mode, 4 * kGiB);
    SetAvailable(4 * kGiB);
    EXPECT_TRUE(budget.AllowsPage(true));
    budget.SetPlanActive(true);
    EXPECT_FALSE(budget.AllowsPage(true));
    SetAvailable(16 * kGiB);
    now_ += seconds(1);
    EXPECT_TRUE(budget.AllowsPage(true)) << "all of it finds room";
  }
}

}  // namespace
}  // namespace quire
