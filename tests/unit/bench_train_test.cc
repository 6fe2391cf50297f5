// SPDX-License-Identifier: Apache-2.0
// Goal: a training job that is played reads every batch once, delivers them in order, reads no further ahead than it
// may, and takes the time that its storage asks for. Method: stores whose reads take a known time, counted in shared
// memory since workers are processes. Where time is compared, the best of several tries counts: a machine with other
// work can only be slower.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

#include "tools/bench/train/training.h"

namespace quire::bench {
namespace {

constexpr uint64_t kSamples = 1000;
constexpr int kTries = 10;

struct Behaviour {
  double seconds = 0;               // that each read takes
  uint64_t slow_sample = kSamples;  // takes slow_seconds
  double slow_seconds = 0;
  uint64_t failing_sample = kSamples;
  uint64_t deadly_sample = kSamples;
  bool refuses_readers = false;
};

class TimedStore final : public SampleStore {
 public:
  explicit TimedStore(Behaviour behaviour) : behaviour_(behaviour) {
    void* const memory = mmap(nullptr, kSamples * sizeof(std::atomic<uint64_t>), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(memory, MAP_FAILED);
    reads_ = new (memory) std::atomic<uint64_t>[kSamples] {};
  }
  TimedStore(const TimedStore&) = delete;
  TimedStore& operator=(const TimedStore&) = delete;
  ~TimedStore() override { munmap(reads_, kSamples * sizeof(std::atomic<uint64_t>)); }

  Result<void> List() override { return {}; }
  [[nodiscard]] uint64_t sample_count() const override { return kSamples; }
  [[nodiscard]] Result<std::vector<uint64_t>> PageOrder() const override { return CountUp(kSamples); }
  [[nodiscard]] Result<std::unique_ptr<StoreReader>> NewReader() const override {
    if (behaviour_.refuses_readers) return MakeError(ErrorCode::kUnreadable, "the store is shut");
    return std::make_unique<Reader>(*this);
  }

  [[nodiscard]] uint64_t reads(uint64_t sample) const { return reads_[sample]; }
  [[nodiscard]] uint64_t all_reads() const {
    uint64_t all = 0;
    for (uint64_t i = 0; i < kSamples; ++i) all += reads_[i];
    return all;
  }

 private:
  class Reader final : public StoreReader {
   public:
    explicit Reader(const TimedStore& store) : store_(store) {}
    Result<uint64_t> Read(uint64_t sample) override {
      const Behaviour& behaviour = store_.behaviour_;
      if (sample == behaviour.deadly_sample) raise(SIGKILL);
      ++store_.reads_[sample];
      const double seconds = sample == behaviour.slow_sample ? behaviour.slow_seconds : behaviour.seconds;
      if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      if (sample == behaviour.failing_sample) return MakeError(ErrorCode::kUnreadable, "sample {} is gone", sample);
      return 100;
    }

   private:
    const TimedStore& store_;
  };

  const Behaviour behaviour_;
  std::atomic<uint64_t>* reads_;
};

Result<TrainingFigures> Play(const TimedStore& store, const TrainingSettings& settings) {
  return RunTraining(store, CountUp(kSamples), settings, StorageWatch());
}

TEST(Training, ReadsEachBatchOnceAndNoOther) {
  const TimedStore store({});
  const auto figures = Play(store, {.shape = {.accelerators = 3, .workers = 2, .batch = 7, .steps = 11}});
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_EQ(figures->samples, 3 * 7 * 11);
  EXPECT_EQ(figures->bytes, 100 * 3 * 7 * 11);
  EXPECT_EQ(figures->times.step_ends.size(), 11);
  for (uint64_t i = 0; i < kSamples; ++i) EXPECT_EQ(store.reads(i), i < 3 * 7 * 11 ? 1 : 0) << i;
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

// W workers that need d for a sample deliver a batch of B every B d / W: where that is longer than the T that a step
// computes, AU = W T / (B d). On a machine with other work sleeps are longer than they were asked to be, so both d and
// T are taken as they were. Returns how far the AU is from that, at best.
double BestDifference(double delay_seconds) {
  constexpr BatchShape kShape{.accelerators = 1, .workers = 2, .batch = 4, .steps = 60};
  constexpr double kStepSeconds = 0.02;
  double best = 1;
  for (int i = 0; i < kTries && best > 0.02; ++i) {
    const TimedStore store({.seconds = delay_seconds});
    const auto figures = Play(store, {.shape = kShape, .step_seconds = kStepSeconds});
    EXPECT_TRUE(figures.has_value());
    // The batches that were read ahead at the start are used up in the first steps.
    const Utilisation use = Account(figures->times, kStepSeconds, 10);
    const double read_seconds = figures->workers.reading / static_cast<double>(figures->samples);
    const double computed_seconds = kStepSeconds + use.overshoot_seconds / static_cast<double>(use.steps);
    const double expected = kStepSeconds / std::max(computed_seconds, read_seconds * kShape.batch / kShape.workers);
    best = std::min(best, std::abs(use.au() - expected));
  }
  return best;
}

TEST(Training, AStoreOfAKnownDelayGivesAKnownUtilisation) {
  EXPECT_LE(BestDifference(0.002), 0.02);   // 4 * 2 ms / 2: a batch in 4 ms, and 20 are computed
  EXPECT_LE(BestDifference(0.02), 0.02);    // a batch in 40 ms: an AU of 0.5
  EXPECT_LE(BestDifference(0.0125), 0.02);  // a batch in 25 ms: 0.8
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
  EXPECT_EQ(figures->samples, 19);
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
  EXPECT_NEAR(figures->workers.decoding, 0.08, 1e-9);
}

}  // namespace
}  // namespace quire::bench
