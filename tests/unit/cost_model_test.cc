// SPDX-License-Identifier: Apache-2.0
// Goal: the model tells what reads cost on any volume soon after they were seen, and is never driven to nonsense.
// Method: a made-up volume of known prices.
#include "cache/policy/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace quire {
namespace {

constexpr double kPage = 2 << 20;

struct Volume {
  double ns_per_request;
  double ns_per_byte;
  double noise = 0;  // standard deviation of the logarithm
};

class CostModelTest : public testing::Test {
 protected:
  void See(const Volume& volume, double requests, double bytes_each) {
    const double exact = requests * (volume.ns_per_request + bytes_each * volume.ns_per_byte);
    model_.Learn(exact * std::exp(volume.noise * normal_(random_)), requests, requests * bytes_each);
  }
  void SeeMixed(const Volume& volume, int calls) {
    for (int i = 0; i < calls; ++i) See(volume, 1 + i % 5, i % 3 == 0 ? kPage : i % 3 == 1 ? 110e3 : 3e3);
  }
  // The greatest factor between the model's and the volume's cost of a sample, an image and a page.
  double WorstFactor(const Volume& volume) {
    double worst = 1;
    for (const double bytes : {3e3, 110e3, kPage}) {
      const double factor = model_.CostNs(1, bytes) / (volume.ns_per_request + bytes * volume.ns_per_byte);
      worst = std::max({worst, factor, 1 / factor});
    }
    return worst;
  }

  CostModel model_;
  std::mt19937_64 random_{1};
  std::normal_distribution<double> normal_;
};

constexpr Volume kDisk{.ns_per_request = 8e6, .ns_per_byte = 6};
constexpr Volume kSsd{.ns_per_request = 100e3, .ns_per_byte = 2};
constexpr Volume kFastSsd{.ns_per_request = 2e3, .ns_per_byte = 0.3};
constexpr Volume kNetwork{.ns_per_request = 30e6, .ns_per_byte = 100};

TEST_F(CostModelTest, BeginsWithAnOrdinarySsd) {
  EXPECT_DOUBLE_EQ(model_.ns_per_byte(), 1);
  EXPECT_DOUBLE_EQ(model_.ns_per_request(), 80'000);
  EXPECT_DOUBLE_EQ(model_.CostNs(2, 1000), 161'000);
}

TEST_F(CostModelTest, MixedSizesGiveBothPrices) {
  for (const Volume& volume : {kDisk, kSsd, kFastSsd, kNetwork}) {
    model_ = CostModel();
    SeeMixed(volume, 1000);
    EXPECT_NEAR(model_.ns_per_request() / volume.ns_per_request, 1, 0.01) << volume.ns_per_request;
    EXPECT_NEAR(model_.ns_per_byte() / volume.ns_per_byte, 1, 0.01) << volume.ns_per_request;
  }
}

TEST_F(CostModelTest, TheFirstReadsOutweighWhatItBeganWith) {
  SeeMixed(kSsd, 40);
  EXPECT_LT(WorstFactor(kSsd), 1.1);
}

TEST_F(CostModelTest, NoiseIsAveraged) {
  for (Volume volume : {kDisk, kSsd, kFastSsd}) {
    model_ = CostModel();
    volume.noise = 0.3;
    SeeMixed(volume, 1000);
    EXPECT_LT(WorstFactor(volume), 1.3) << volume.ns_per_request;
  }
}

TEST_F(CostModelTest, OneSizeAloneIsRightForThatSize) {
  for (const double bytes : {3e3, 110e3, kPage}) {
    for (const Volume& volume : {kDisk, kSsd, kFastSsd}) {
      model_ = CostModel();
      for (int i = 0; i < 400; ++i) See(volume, 4, bytes);
      const double exact = volume.ns_per_request + bytes * volume.ns_per_byte;
      EXPECT_NEAR(model_.CostNs(1, bytes) / exact, 1, 0.03) << bytes << " " << volume.ns_per_request;
    }
  }
}

// A fast queue of small reads says nothing about bandwidth: it must not make a page look a hundred times cheaper.
TEST_F(CostModelTest, OneSizeAloneLeavesTheOtherPriceAsItWas) {
  SeeMixed(kSsd, 500);
  const Volume deeper{.ns_per_request = 10e3, .ns_per_byte = kSsd.ns_per_byte};
  for (int i = 0; i < 2000; ++i) See(deeper, 32, 3e3);
  EXPECT_NEAR(model_.CostNs(1, kPage) / deeper.ns_per_byte / kPage, 1, 0.2);
}

TEST_F(CostModelTest, NearlyOneSizeWithNoiseStaysNearWhatWasBelieved) {
  SeeMixed(kSsd, 500);
  const Volume noisy{.ns_per_request = kSsd.ns_per_request, .ns_per_byte = kSsd.ns_per_byte, .noise = 0.3};
  for (int i = 0; i < 2000; ++i) See(noisy, 8, 100e3 + (i % 10) * 1e3);
  EXPECT_LT(WorstFactor(kSsd), 1.5);
}

TEST_F(CostModelTest, FollowsADeviceThatBecomesTenTimesSlowerOrFaster) {
  const Volume slow{.ns_per_request = 10 * kSsd.ns_per_request, .ns_per_byte = 10 * kSsd.ns_per_byte};
  SeeMixed(kSsd, 500);
  SeeMixed(slow, 200);
  EXPECT_LT(WorstFactor(slow), 1.1);
  SeeMixed(kSsd, 300);
  EXPECT_LT(WorstFactor(kSsd), 1.25);
}

TEST_F(CostModelTest, ASuspendedMachineIsNoSlowDisk) {
  SeeMixed(kSsd, 500);
  model_.Learn(3600e9, 1, 3e3);
  EXPECT_LT(WorstFactor(kSsd), 1.8);
  SeeMixed(kSsd, 150);
  EXPECT_LT(WorstFactor(kSsd), 1.1);
}

TEST_F(CostModelTest, NumbersThatCannotBeAreIgnored) {
  SeeMixed(kSsd, 500);
  const double before = model_.CostNs(1, kPage);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const double wrong : {-1.0, kInfinity, -kInfinity, kNan}) {
    model_.Learn(wrong, 1, 1);
    model_.Learn(1, wrong, 1);
    model_.Learn(1, 1, wrong);
  }
  model_.Learn(1, 0, 0);
  model_.Learn(1, 1e305, 1);
  EXPECT_EQ(model_.CostNs(1, kPage), before);
}

TEST_F(CostModelTest, FreeRequestsOfNothingSayNothingAboutBytes) {
  for (int i = 0; i < 200'000; ++i) model_.Learn(0, 1, 0);
  EXPECT_GT(model_.ns_per_request(), 0);
  EXPECT_GT(model_.ns_per_byte(), 0.5);
}

TEST_F(CostModelTest, PricesStayPositiveAndFiniteWhateverComes) {
  std::uniform_real_distribution<double> exponent(-300, 300);
  for (int i = 0; i < 100'000; ++i) {
    const bool nothing = i % 7 == 0;
    model_.Learn(nothing ? 0 : std::pow(10, exponent(random_)), std::pow(10, exponent(random_)),
                 std::pow(10, exponent(random_)));
    ASSERT_GT(model_.ns_per_byte(), 0) << i;
    ASSERT_GT(model_.ns_per_request(), 0) << i;
    ASSERT_LT(model_.CostNs(1, kPage), 1e15) << i;
  }
  SeeMixed(kSsd, 2000);
  EXPECT_LT(WorstFactor(kSsd), 1.05);
}

}  // namespace
}  // namespace quire
