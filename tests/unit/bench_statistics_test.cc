// SPDX-License-Identifier: Apache-2.0
// Goal: the arithmetic behind every figure of `quire bench` is right, at its edges too.
#include <gtest/gtest.h>

#include <cmath>

#include "tools/bench/statistics.h"

namespace quire::bench {
namespace {

TEST(Summarize, GivesTheMomentsOfKnownNumbers) {
  const std::vector<double> values = {9, 2, 4, 4, 4, 5, 5, 7};
  const Summary summary = Summarize(values);
  EXPECT_EQ(summary.count, 8U);
  EXPECT_DOUBLE_EQ(summary.mean, 5);
  EXPECT_DOUBLE_EQ(summary.deviation, std::sqrt(32.0 / 7));
  EXPECT_EQ(summary.min, 2);
  EXPECT_EQ(summary.max, 9);
  EXPECT_EQ(summary.median, 4.5);
}

TEST(Summarize, OfOddCountTakesTheMiddle) {
  const std::vector<double> values = {3, 1, 2};
  EXPECT_EQ(Summarize(values).median, 2);
}

TEST(Summarize, OfOneValueHasNoDeviation) {
  const std::vector<double> values = {7};
  const Summary summary = Summarize(values);
  EXPECT_EQ(summary.deviation, 0);
  EXPECT_EQ(summary.median, 7);
}

TEST(Summarize, OfNothingIsZero) { EXPECT_EQ(Summarize({}).count, 0U); }

TEST(Percentile, IsAValueThatOccurred) {
  std::vector<double> values;
  for (int i = 1; i <= 1000; ++i) values.push_back(i);
  EXPECT_EQ(Percentile(values, 0.01), 1);
  EXPECT_EQ(Percentile(values, 50), 500);
  EXPECT_EQ(Percentile(values, 99), 990);
  EXPECT_EQ(Percentile(values, 99.9), 999);  // 99.9 / 100 * 1000 is a little more than 999 in binary
  EXPECT_EQ(Percentile(values, 99.91), 1000);
  EXPECT_EQ(Percentile(values, 100), 1000);
}

TEST(Percentile, OfOneValueIsThatValue) {
  const std::vector<double> values = {3};
  EXPECT_EQ(Percentile(values, 1), 3);
  EXPECT_EQ(Percentile(values, 100), 3);
}

TEST(FitCost, FindsTheModelThatMadeThePoints) {
  std::vector<CostPoint> points;
  for (const double bytes : {4096.0, 65536.0, 1048576.0}) points.push_back({bytes, bytes * 1e-9 + 80e-6});
  const auto model = FitCost(points);
  ASSERT_TRUE(model);
  EXPECT_NEAR(model->seconds_per_byte, 1e-9, 1e-15);
  EXPECT_NEAR(model->seconds_per_request, 80e-6, 1e-11);
  EXPECT_NEAR(model->break_even_bytes(), 80'000, 1);
  EXPECT_NEAR(model->worst_error, 0, 1e-9);
}

TEST(FitCost, CountsErrorsRelativeToTheTimeMeasured) {
  // The long requests are 10 % off: ordinary least squares would bend the short ones far more than that.
  const std::vector<CostPoint> points = {{4096, 84e-6}, {65536, 145e-6}, {1 << 20, 1.1 * 1.13e-3}, {4 << 20, 4.27e-3}};
  const auto model = FitCost(points);
  ASSERT_TRUE(model);
  EXPECT_LT(model->worst_error, 0.1);
}

TEST(FitCost, NeverMakesARequestCheaperThanNothing) {
  const std::vector<CostPoint> points = {{1000, 1e-6}, {2000, 3e-6}, {4000, 8e-6}};
  const auto model = FitCost(points);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->seconds_per_request, 0);
  EXPECT_GT(model->seconds_per_byte, 0);
}

TEST(FitCost, NeedsTwoSizesAndAPriceForBytes) {
  EXPECT_FALSE(FitCost({}));
  const std::vector<CostPoint> one_size = {{4096, 1e-4}, {4096, 2e-4}};
  EXPECT_FALSE(FitCost(one_size));
  const std::vector<CostPoint> falling = {{4096, 2e-4}, {65536, 1e-4}};
  EXPECT_FALSE(FitCost(falling));
}

TEST(PercentileOf, NeedsItsSample) {
  const auto values = [](int count) {
    std::vector<double> numbers;
    for (int i = 1; i <= count; ++i) numbers.push_back(i);
    return numbers;
  };
  EXPECT_FALSE(PercentileOf(values(38), 99).has_value());  // it would be the maximum
  EXPECT_FALSE(PercentileOf(values(999), 99).has_value());
  EXPECT_EQ(PercentileOf(values(1000), 99), 990);
  EXPECT_EQ(PercentileOf(values(10'000), 99.9), 9990);
  EXPECT_FALSE(PercentileOf(values(19), 50).has_value());
  EXPECT_EQ(PercentileOf(values(20), 50), 10);
  EXPECT_FALSE(PercentileOf({}, 50).has_value());
}

}  // namespace
}  // namespace quire::bench
