// SPDX-License-Identifier: Apache-2.0
// Goal: what a volume does tells how many reads keep it busy.
#include "cache/policy/cost_meter.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

constexpr uint64_t kBytes = 256 << 10;
constexpr uint32_t kMost = 8;

class CostMeterTest : public testing::Test {
 protected:
  // One read that begins and ends with no other beside it, on a volume of a byte a nanosecond, as is believed at first.
  void ReadAlone(uint64_t answer_ns) {
    meter_.Began(1, now_ns_);
    now_ns_ += answer_ns + kBytes;
    meter_.Ended(kBytes, now_ns_);
  }

  CostMeter meter_;
  uint64_t now_ns_ = 1'000'000'000;
};

TEST_F(CostMeterTest, MostReadsAreInFlightUntilOneWasAlone) { EXPECT_EQ(meter_.BusyDepth(kBytes, kMost), kMost); }

TEST_F(CostMeterTest, FewReadsKeepAVolumeBusyThatAnswersSoon) {
  ReadAlone(100'000);
  EXPECT_EQ(meter_.BusyDepth(kBytes, kMost), 3);
}

TEST_F(CostMeterTest, ManyReadsKeepAVolumeBusyThatIsFarAway) {
  ReadAlone(1'000'000);
  EXPECT_EQ(meter_.BusyDepth(kBytes, kMost), 5);
  for (int read = 0; read < 50; ++read) ReadAlone(10'000'000);
  EXPECT_EQ(meter_.BusyDepth(kBytes, kMost), kMost);
}

TEST_F(CostMeterTest, ReadsThatHadCompanyTellNothing) {
  meter_.Began(1, now_ns_);
  meter_.Began(1, now_ns_ + 10);
  meter_.Ended(kBytes, now_ns_ + 1'000'000);
  meter_.Ended(kBytes, now_ns_ + 1'000'010);
  meter_.Began(2, now_ns_ + 2'000'000);
  meter_.Ended(kBytes, now_ns_ + 3'000'000);
  meter_.Ended(kBytes, now_ns_ + 3'000'010);
  EXPECT_EQ(meter_.BusyDepth(kBytes, kMost), kMost);
}

}  // namespace
}  // namespace quire
