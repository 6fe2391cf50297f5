// SPDX-License-Identifier: Apache-2.0
// Goal: a conclusion is drawn from a difference, and seldom from noise.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tools/bench/comparison.h"

namespace quire::bench {
namespace {

// `rounds` rates around `rate`, with a relative scatter.
std::vector<double> Noisy(double rate, double scatter, size_t rounds, std::mt19937_64& random) {
  std::normal_distribution<double> noise;
  std::vector<double> rates;
  for (size_t i = 0; i < rounds; ++i) rates.push_back(rate * std::exp(scatter * noise(random)));
  return rates;
}

TEST(RatioOf, EqualThingsAreSeldomCalledDifferent) {
  std::mt19937_64 random(1);
  int different = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    const auto ratio = RatioOf(Noisy(100, 0.3, kLeastRounds, random), Noisy(100, 0.3, kLeastRounds, random));
    ASSERT_TRUE(ratio.has_value());
    if (!ratio->holds(1)) ++different;
  }
  EXPECT_LT(different, 80) << "of 1000; about 50 are due";
  EXPECT_GT(different, 5) << "an interval that holds everything tells nothing";
}

TEST(RatioOf, FindsADifferenceBelowWhatSlowsWholeRoundsDown) {
  std::mt19937_64 random(2);
  std::vector<double> slow = {1, 5, 0.3, 2, 9, 1, 0.5};
  auto a = Noisy(120, 0.01, slow.size(), random);
  auto b = Noisy(100, 0.01, slow.size(), random);
  for (size_t i = 0; i < slow.size(); ++i) {
    a[i] /= slow[i];
    b[i] /= slow[i];
  }
  const auto ratio = RatioOf(a, b);
  ASSERT_TRUE(ratio.has_value());
  EXPECT_GT(ratio->low, 1.1);
  EXPECT_LT(ratio->high, 1.3);
  EXPECT_LE(ratio->low, ratio->middle);
  EXPECT_LE(ratio->middle, ratio->high);
}

TEST(RatioOf, FewRoundsConcludeNothing) {
  const std::vector<double> twice(kLeastRounds - 1, 2);
  const std::vector<double> once(kLeastRounds - 1, 1);
  EXPECT_FALSE(RatioOf(twice, once).has_value());
  EXPECT_FALSE(RatioOf({}, {}).has_value());
}

TEST(RatioOf, TheSameFiguresGiveTheSameInterval) {
  std::mt19937_64 random(3);
  const auto a = Noisy(1, 0.5, 9, random);
  const auto b = Noisy(1, 0.5, 9, random);
  EXPECT_EQ(RatioOf(a, b)->low, RatioOf(a, b)->low);
  EXPECT_NEAR(RatioOf(a, b)->middle, 1 / RatioOf(b, a)->middle, 1e-9);
}

TEST(Bootstrap, AFigureThatIsNotFiniteIsNone) {
  EXPECT_FALSE(Bootstrap(kLeastRounds, [](auto) { return std::nan(""); }).has_value());
}

}  // namespace
}  // namespace quire::bench
