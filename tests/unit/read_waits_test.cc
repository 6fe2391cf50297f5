// SPDX-License-Identifier: Apache-2.0
// Goal: reads that waited are counted with where their time went, slow ones apart, and the log is told of few of them.
#include "fs/serve/read_waits.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <sstream>
#include <thread>
#include <vector>

namespace quire {
namespace {

constexpr uint64_t kMs = 1000000;

class ReadWaitsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    logger->set_pattern("%v");
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(logger);
  }
  void TearDown() override { spdlog::set_default_logger(before_); }

  static WaitedRead Read(uint64_t began_ms, uint64_t took_ms, uint64_t queue_ms, uint64_t volume_ms) {
    WaitedRead read = {.inode = 7,
                       .offset = 4096,
                       .bytes = 100,
                       .began_ns = began_ms * kMs,
                       .ended_ns = (began_ms + took_ms) * kMs,
                       .times = {}};
    read.times.Add(ReadStage::kQueue, queue_ms * kMs);
    read.times.Add(ReadStage::kVolume, volume_ms * kMs);
    return read;
  }
  static std::string NameInode(fuse_ino_t inode) { return fmt::format("'/{}'", inode); }

  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
  std::unique_ptr<ReadWaits> waits_ = std::make_unique<ReadWaits>(std::chrono::milliseconds(100), false, NameInode);
};

TEST_F(ReadWaitsTest, CountsWhatWaitedAndWhere) {
  waits_->Count(Read(1, 3, 1, 2));
  waits_->Count(Read(5, 8, 0, 7));
  const WaitFigures figures = waits_->figures();
  EXPECT_EQ(figures.total_ns, 11 * kMs);
  EXPECT_EQ(figures.stage_ns[static_cast<size_t>(ReadStage::kQueue)], 1 * kMs);
  EXPECT_EQ(figures.stage_ns[static_cast<size_t>(ReadStage::kVolume)], 9 * kMs);
  EXPECT_EQ(figures.reads_by_us[LatencyBucket(3 * kMs)], 1U);
  EXPECT_EQ(figures.reads_by_us[LatencyBucket(8 * kMs)], 1U);
  EXPECT_EQ(std::accumulate(figures.reads_by_us.begin(), figures.reads_by_us.end(), uint64_t{0}), 2U);
  EXPECT_EQ(figures.slow_reads, 0U);
  EXPECT_EQ(log_.str(), "");
}

TEST_F(ReadWaitsTest, WhatTakesTheThresholdIsSlowAndTheLogSaysWhere) {
  waits_->Count(Read(1000, 100, 20, 70));
  EXPECT_EQ(waits_->figures().slow_reads, 1U);
  EXPECT_EQ(waits_->figures().slow_total_ns, 100 * kMs);
  EXPECT_EQ(waits_->figures().slow_stage_ns[static_cast<size_t>(ReadStage::kVolume)], 70 * kMs);
  EXPECT_EQ(log_.str(), "slow: read of '/7' (100 bytes at 4096) took 100 ms: queue 20 ms, disk 70 ms, rest 10 ms\n");
}

TEST_F(ReadWaitsTest, OneLineInTenSecondsTellsOfTheOthers) {
  for (uint64_t i = 0; i < 5; ++i) waits_->Count(Read(1000 + i, 200, 0, 200));
  EXPECT_EQ(std::ranges::count(log_.str(), '\n'), 1);
  waits_->Count(Read(11'500, 200, 0, 200));
  EXPECT_EQ(std::ranges::count(log_.str(), '\n'), 2);
  EXPECT_NE(log_.str().find("; 4 other slow reads since the last such line"), std::string::npos) << log_.str();
  EXPECT_EQ(waits_->figures().slow_reads, 6U);
}

TEST_F(ReadWaitsTest, BehindANetworkTheVolumeIsOne) {
  ReadWaits far(std::chrono::milliseconds(100), true, NameInode);
  far.Count(Read(1000, 100, 0, 100));
  EXPECT_NE(log_.str().find("network 100 ms"), std::string::npos) << log_.str();
}

TEST_F(ReadWaitsTest, WithoutAThresholdNothingIsSlow) {
  ReadWaits never(std::chrono::milliseconds(0), false, NameInode);
  never.Count(Read(1000, 100'000, 0, 100'000));
  EXPECT_EQ(never.figures().slow_reads, 0U);
  EXPECT_EQ(log_.str(), "");
}

TEST_F(ReadWaitsTest, ALineThatCannotBeMadeIsNoEnd) {
  ReadWaits waits(std::chrono::milliseconds(1), false, [](fuse_ino_t) -> std::string { throw std::bad_alloc(); });
  waits.Count(Read(1000, 100, 0, 100));
  EXPECT_EQ(waits.figures().slow_reads, 1U);
}

TEST_F(ReadWaitsTest, NothingIsLostBetweenThreads) {
  constexpr uint64_t kReads = 1000;
  std::vector<std::jthread> threads(8);
  for (auto& thread : threads)
    thread = std::jthread([this] {
      for (uint64_t i = 0; i < kReads; ++i) waits_->Count(Read(20'000, 200, 100, 100));
    });
  threads.clear();
  EXPECT_EQ(waits_->figures().total_ns, 8 * kReads * 200 * kMs);
  EXPECT_EQ(waits_->figures().slow_reads, 8 * kReads);
  EXPECT_EQ(std::ranges::count(log_.str(), '\n'), 1);
}

TEST(RequestTimes, WhoJoinsARequestWaitsForWhatIsLeftOfIt) {
  ReadTimes times;
  AddRequest(times, 150, {.sent_ns = 100, .came_ns = 200});
  EXPECT_EQ(times[ReadStage::kQueue], 0U);
  EXPECT_EQ(times[ReadStage::kVolume], 50U);
}

TEST(RequestTimes, WhatIsSentLaterWasQueued) {
  ReadTimes times;
  AddRequest(times, 50, {.sent_ns = 100, .came_ns = 200, .decode_ns = 30, .brought_by = ReadStage::kTier});
  EXPECT_EQ(times[ReadStage::kQueue], 50U);
  EXPECT_EQ(times[ReadStage::kTier], 70U);
  EXPECT_EQ(times[ReadStage::kDecode], 30U);
  EXPECT_EQ(times[ReadStage::kVolume], 0U);
}

TEST(RequestTimes, WhoComesWhenAllIsThereDidNotWait) {
  ReadTimes times;
  AddRequest(times, 250, {.sent_ns = 100, .came_ns = 200});
  for (size_t i = 0; i < kReadStages; ++i) EXPECT_EQ(times[static_cast<ReadStage>(i)], 0U);
}

}  // namespace
}  // namespace quire
