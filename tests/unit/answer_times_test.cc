// SPDX-License-Identifier: Apache-2.0
// Goal: what is late is known by what came before, and few requests are sent a second time.
#include "cache/remote/answer_times.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kSmall = 100'000;
constexpr uint64_t kLarge = 1 << 20;

AnswerTimes After(int answers, milliseconds duration) {
  AnswerTimes times;
  for (int i = 0; i < answers; ++i) times.Took(kSmall, duration);
  return times;
}

TEST(AnswerTimes, QuantilesAreRightToAnEighth) {
  AnswerTimes times;
  EXPECT_EQ(times.Quantile(0.5).count(), 0);
  for (int i = 1; i <= 1000; ++i) times.Took(kSmall, milliseconds(i));
  EXPECT_NEAR(static_cast<double>(times.Quantile(0.5).count()), 500e3, 500e3 / 8);
  EXPECT_NEAR(static_cast<double>(times.Quantile(0.99).count()), 990e3, 990e3 / 8);
}

TEST(AnswerTimes, FewAnswersDoNotTellWhatIsLate) {
  EXPECT_FALSE(After(39, milliseconds(20)).LateAfter(kSmall));
  const auto times = After(100, milliseconds(20));
  ASSERT_TRUE(times.LateAfter(kSmall));
  EXPECT_NEAR(static_cast<double>(times.LateAfter(kSmall)->count()), 40e3, 40e3 / 8);
  EXPECT_FALSE(times.LateAfter(kLarge)) << "of that size none came";
}

TEST(AnswerTimes, OneInThirtyTwoIsSentTwice) {
  AnswerTimes times;
  int hedged = 0;
  for (int i = 0; i < 10'000; ++i) {
    times.Took(kSmall, milliseconds(20));
    if (!times.LateAfter(kSmall)) continue;
    times.Hedged();
    ++hedged;
  }
  EXPECT_LE(hedged, 10'000 / 32);
  EXPECT_GE(hedged, 10'000 / 32 - 8);
}

TEST(AnswerTimes, WhatIsSlowForAllIsNoTail) {
  EXPECT_TRUE(AnswerTimes::IsTail(1, 1));
  EXPECT_TRUE(AnswerTimes::IsTail(4, 16));
  EXPECT_FALSE(AnswerTimes::IsTail(8, 16));
  EXPECT_FALSE(AnswerTimes::IsTail(2, 4));
}

TEST(AnswerTimes, TheOldIsForgotten) {
  auto times = After(2000, milliseconds(20));
  for (int i = 0; i < 5000; ++i) times.Took(kSmall, milliseconds(200));
  EXPECT_GE(times.Quantile(0.5), milliseconds(200));
}

}  // namespace
}  // namespace quire
