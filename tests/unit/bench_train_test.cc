// SPDX-License-Identifier: Apache-2.0
// Goal: a training job that is played reads no batch twice, delivers them in order, reads no further ahead than it
// may, and takes the time that its storage asks for. Method: stores whose reads take a known time. Where time is
// compared, the best of several tries counts: a machine with other work can only be slower.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/timed_store.h"
#include "tools/bench/train/training.h"

namespace quire::bench {
namespace {

constexpr uint64_t kSamples = kTimedSamples;
constexpr int kTries = 10;

Result<TrainingFigures> Play(const TimedStore& store, const TrainingSettings& settings) {
  return RunTraining(store, CountUp(kSamples), settings, StorageWatch());
}

TEST(Training, ReadsEachBatchOnceAndBehindTheLastOnlyWhatIsReadAhead) {
  const TimedStore store({});
  const auto figures = Play(store, {.shape = {.accelerators = 3, .workers = 2, .batch = 7, .steps = 11}});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_GE(figures->samples, 3 * 7 * 11);
  EXPECT_LE(figures->samples, 3 * 7 * (11 + 4));
  EXPECT_EQ(figures->bytes, 100 * figures->samples);
  EXPECT_EQ(figures->times.step_ends.size(), 11);
  for (uint64_t i = 0; i < 3 * 7 * 11; ++i) EXPECT_EQ(store.reads(i), 1) << i;
  for (uint64_t i = 3 * 7 * 11; i < kSamples; ++i) EXPECT_LE(store.reads(i), i < 3 * 7 * (11 + 4) ? 1 : 0) << i;
}

TEST(Training, TimesAreInTheirOrder) {
  const TimedStore store({});
  const auto figures =
      Play(store, {.shape = {.accelerators = 2, .workers = 3, .batch = 2, .steps = 10}, .step_seconds = 0.001});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  const EpochTimes& times = figures->times;
  for (size_t step = 0; step < 10; ++step) {
    for (size_t accelerator = 0; accelerator < 2; ++accelerator) {
      EXPECT_GE(times.arrivals[accelerator][step], step == 0 ? times.begin : times.step_ends[step - 1]);
      EXPECT_GE(times.computeds[accelerator][step], times.arrivals[accelerator][step] + 0.001);
      EXPECT_GE(times.step_ends[step], times.computeds[accelerator][step]);
    }
  }
}

// While the accelerator computes its first step, workers have read that batch and what they may prefetch, and no more.
TEST(Training, ReadsNoFurtherAheadThanItMay) {
  const TimedStore store({});
  std::atomic<bool> interrupted = false;
  std::jthread interrupter([&] {
    uint64_t before = 0;
    do {  // until nothing has been read for a while
      before = store.all_reads();
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    } while (store.all_reads() == 0 || store.all_reads() != before);
    interrupted = true;
  });
  const auto figures = Play(store, {.shape = {.accelerators = 1, .workers = 3, .batch = 5, .steps = 60},
                                    .prefetch = 2,
                                    .step_seconds = 50,
                                    .interrupted = &interrupted});
  ASSERT_FALSE(figures.has_value());
  EXPECT_EQ(figures.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(store.all_reads(), 5 * (3 * 2 + 1));
}

TEST(Training, OneSlowBatchStallsExactlyItsAccelerator) {
  constexpr uint64_t kSlow = 2 * (10 * 3 + 1);  // of step 10, the second of three accelerators
  Utilisation use;
  for (int i = 0; i < kTries; ++i) {
    const TimedStore store({.slow_sample = kSlow, .slow_seconds = 0.3});
    const auto figures =
        Play(store, {.shape = {.accelerators = 3, .workers = 2, .batch = 2, .steps = 20}, .step_seconds = 0.01});
    ASSERT_TRUE(figures.has_value()) << figures.error().message;
    use = Account(figures->times, 0.01, 1);
    if (use.accelerator_stall_seconds[0] + use.accelerator_stall_seconds[2] < 0.05) break;
  }
  EXPECT_LT(use.accelerator_stall_seconds[0] + use.accelerator_stall_seconds[2], 0.05);
  EXPECT_GT(use.accelerator_stall_seconds[1], 0.2);  // what was read ahead is used meanwhile
  EXPECT_GT(use.barrier_seconds, 2.0 / 3 * 0.2);     // the two others wait for it
}

TEST(Training, ASampleThatCannotBeReadIsAFigure) {
  const TimedStore store({.failing_sample = 5});
  const auto figures = Play(store, {.shape = {.accelerators = 1, .workers = 2, .batch = 2, .steps = 10}});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_GE(figures->samples, 19);
  EXPECT_EQ(figures->failures, 1);
  EXPECT_EQ(figures->first_failure, "sample 5 is gone");
}

TEST(Training, AWorkerThatDiesEndsIt) {
  const TimedStore store({.deadly_sample = 30});
  const auto figures = Play(store, {.shape = {.accelerators = 2, .workers = 2, .batch = 2, .steps = 50}});
  ASSERT_FALSE(figures.has_value());
  EXPECT_TRUE(figures.error().message.contains("a worker died")) << figures.error().message;
}

TEST(Training, AStoreThatCannotBeOpenedSaysWhy) {
  const TimedStore store({.refuses_readers = true});
  const auto figures = Play(store, {.shape = {.accelerators = 2, .workers = 2, .batch = 2, .steps = 50}});
  ASSERT_FALSE(figures.has_value());
  EXPECT_EQ(figures.error().message, "the store is shut");
}

TEST(Training, ALimitEndsItBehindThreeBatchesOfEachWorker) {
  const TimedStore store({});
  const auto figures =
      Play(store, {.shape = {.accelerators = 2, .workers = 2, .batch = 2, .steps = 200}, .limit_seconds = 1e-9});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_EQ(figures->times.step_ends.size(), 6);
  EXPECT_EQ(figures->times.arrivals[1].size(), 6);
}

TEST(Training, DecodingUsesTheProcessor) {
  const TimedStore store({});
  const auto figures =
      Play(store, {.shape = {.accelerators = 1, .workers = 1, .batch = 4, .steps = 10}, .decode_seconds = 0.002});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_GE(figures->workers.cpu, 0.079);  // 40 * 2 ms, less what the clock of the thread is behind
  EXPECT_GE(figures->workers.decoding, 0.08 - 1e-9);
}

}  // namespace
}  // namespace quire::bench
