// SPDX-License-Identifier: Apache-2.0
// Goal: the utilisation that a training job tells is the one that its storage must come to; the job names what it lost
// its time to, whichever that was; knows where the machine it runs on is the
// limit; and lets no trial read what the one before has read. Method: each cause is made by a store that is nothing
// else. The daemon of a mount is made the cause in tests/mount/bench_train_test.py. A machine with other work can make
// another cause of any, so the best of several tries counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "tests/support/memory_tree.h"
#include "tests/support/timed_store.h"
#include "tools/bench/train/job.h"
#include "tools/bench/train/made_store.h"
#include "tools/bench/train/train_insights.h"

namespace quire::bench {
namespace {

constexpr int kTries = 10;
constexpr unsigned kCores = 2;

// What OpenTimedStore opens.
Behaviour behaviour;
TimedStore* opened = nullptr;

Result<std::unique_ptr<SampleStore>> OpenTimedStore(const std::string& /*path*/) {
  auto store = std::make_unique<TimedStore>(behaviour);
  opened = store.get();
  return store;
}

Result<std::unique_ptr<SampleStore>> OpenMadeStore(const std::string& /*path*/) {
  return MakeMadeStore(kTimedSamples, 100'000);
}

// As many files as the stores have samples.
void MakeFiles(const std::string& folder, uint64_t bytes) {
  for (uint64_t i = 0; i < kTimedSamples; ++i) {
    const std::string path = fmt::format("{}/{:04}", folder, i);
    WriteFile(path, {});
    std::filesystem::resize_file(path, bytes);  // a hole
  }
}

JobSettings Settings() {
  return {.workload = {.name = "test", .batch = 2, .step_seconds = 0.01},
          .workers = 4,
          .trial_steps = 40,
          .ceiling_seconds = 0.1,
          .allow_cached = true,
          .open = OpenTimedStore};
}

PlayedRun Trial(const JobSettings& settings, unsigned accelerators) {
  const TemporaryFolder folder;
  MakeFiles(folder.path(), 1);
  std::array jobs = {ValueOrDie(TrainJob::Open(folder.path(), settings))};
  return ValueOrDie(PlayRuns(jobs, settings, accelerators, false)).front();
}

// What `accelerators` lose their time to; the last try's where it is never `expected`.
std::string LostTo(const JobSettings& settings, unsigned accelerators, LostTo expected) {
  enum LostTo lost_to = LostTo::kNothing;
  for (int i = 0; i < kTries; ++i) {
    lost_to = LossOf(Trial(settings, accelerators), kCores);
    if (lost_to == expected) break;
  }
  return LostToName(lost_to);
}

// How far the AU is from W T / (B d) at best: W workers that need d for a sample deliver a batch of B every B d / W, in
// place of the T that a step computes. On a machine with other work sleeps are longer than they were asked to be, so
// those of accelerators are taken as they were.
double BestDifference(double batch_seconds) {
  JobSettings settings = Settings();
  settings.workers = 8;
  settings.workload.step_seconds = 0.02;
  behaviour = {.seconds = batch_seconds * settings.workers / settings.workload.batch};
  double best = 1;
  for (int i = 0; i < kTries && best > 0.02; ++i) {
    const Utilisation use = Trial(settings, 1).Sum().use;
    const double computed_seconds = 0.02 + use.overshoot_seconds / static_cast<double>(use.steps);
    best = std::min(best, std::abs(use.au() - 0.02 / std::max(computed_seconds, batch_seconds)));
  }
  return best;
}

TEST(TrainJob, HasTheUtilisationOfReadsThatTakeAKnownTime) {
  for (const double batch_seconds : {0.005, 0.0213, 0.025, 0.04})  // AU 1, 0.94, 0.8 and 0.5
    EXPECT_LE(BestDifference(batch_seconds), 0.02) << batch_seconds;
}

// What accelerators took in the time that counts was read in that time: no more batches were there before it than are
// left behind it. How many samples that is wrong by, at best.
uint64_t BestImbalance(const Behaviour& of_store) {
  const TemporaryFolder folder;
  MakeFiles(folder.path(), 1);
  JobSettings settings = Settings();
  settings.workers = 8;
  behaviour = of_store;
  uint64_t best = kTimedSamples;
  for (int i = 0; i < kTries && best > 2 * settings.workload.batch; ++i) {
    auto job = ValueOrDie(TrainJob::Open(folder.path(), settings));
    const Utilisation use = ValueOrDie(job.PlayEpoch(1, settings.trial_steps)).use;
    const uint64_t taken = use.steps * settings.workload.batch;
    const uint64_t read = opened->ReadsBetween(use.begin_seconds, use.begin_seconds + use.wall_seconds);
    best = std::min(best, std::max(taken, read) - std::min(taken, read));
  }
  return best;
}

TEST(TrainJob, CountsNoBatchThatCameForNothing) {
  EXPECT_LE(BestImbalance({}), 4);
  EXPECT_LE(BestImbalance({.seconds = 0.08}), 4);  // a batch in 20 ms, where 10 are computed
  EXPECT_LE(BestImbalance({.seconds = 0.001, .slow_every = 20, .slow_seconds = 0.2}), 4);
}

TEST(TrainJob, LosesNothingWhereAllIsThere) {
  behaviour = {};
  EXPECT_EQ(LostTo(Settings(), 1, LostTo::kNothing), "nothing");
}

TEST(TrainJob, LosesToAStorageThatIsSlow) {
  behaviour = {.seconds = 0.04};  // 2 * 40 ms / 4: a batch in 20 ms, where 10 are computed
  EXPECT_EQ(LostTo(Settings(), 1, LostTo::kStorage), "storage");
}

// Then most of what each accelerator waits for is another one.
TEST(TrainJob, LosesToAStorageThatIsSlowForAllThoughTheyWaitForEachOther) {
  behaviour = {.seconds = 0.04, .is_random = true};
  EXPECT_EQ(LostTo(Settings(), 4, LostTo::kStorage), "storage");
}

TEST(TrainJob, LosesToTheBarrierWhereSingleBatchesAreLate) {
  behaviour = {.seconds = 0.002, .slow_every = 40, .slow_seconds = 0.2};
  EXPECT_EQ(LostTo(Settings(), 4, LostTo::kBarrier), "barrier");
}

TEST(TrainJob, LosesToAProcessorThatDecodes) {
  behaviour = {};
  JobSettings settings = Settings();
  settings.decode_seconds = 0.02;
  EXPECT_EQ(LostTo(settings, 1, LostTo::kProcessor), "processor");
}

TEST(TrainJob, IsHostLimitedWhereItReadsAStoreOfNothing) {
  JobSettings settings = Settings();
  settings.open = OpenMadeStore;
  settings.workload.step_seconds = 0;
  settings.trial_steps = 2000;
  bool is_limited = false;
  for (int i = 0; i < kTries && !is_limited; ++i) {
    const PlayedRun run = Trial(settings, 2);
    is_limited = IsHostLimited(run.samples_per_second(settings.workload.batch), run.ceiling_samples_per_second);
  }
  EXPECT_TRUE(is_limited);
}

TEST(TrainJob, IsNotHostLimitedWhereItsStorageIsSlow) {
  behaviour = {.seconds = 0.02};
  const JobSettings settings = Settings();
  const PlayedRun run = Trial(settings, 1);
  EXPECT_FALSE(IsHostLimited(run.samples_per_second(settings.workload.batch), run.ceiling_samples_per_second));
}

// Files of nothing, together a little more than three times as large as data has to be on this machine.
TEST(TrainJob, LetsEachTrialReadAnotherSlice) {
  const TemporaryFolder folder;
  behaviour = {};
  const auto memory = ValueOrDie(FindHoldingMemory(StorageWatch()));
  MakeFiles(folder.path(), 31 * kTimesMemory * memory.bytes / 10 / kTimedSamples);
  JobSettings settings = Settings();
  settings.workers = 1;  // its ceiling is that of samples of half a gigabyte
  settings.allow_cached = false;
  settings.trial_steps = 50;
  std::array jobs = {ValueOrDie(TrainJob::Open(folder.path(), settings))};
  ASSERT_EQ(jobs[0].slices(), 3);
  std::vector<uint64_t> readers(kTimedSamples);  // trials that read the sample
  for (int trial = 0; trial < 3; ++trial) {
    ASSERT_TRUE(PlayRuns(jobs, settings, 4, false).has_value());
    const auto reads = opened->TakeReads();
    for (uint64_t i = 0; i < kTimedSamples; ++i) readers[i] += reads[i] > 0 ? 1 : 0;
  }
  EXPECT_EQ(std::ranges::count(readers, 1), kTimedSamples);  // a trial has 4 * 2 * (50 + 2), a slice up to 354
}

TEST(PlayRuns, MountsAnewBeforeEach) {
  const TemporaryFolder folder;
  MakeFiles(folder.path(), 1);
  behaviour = {};
  JobSettings settings = Settings();
  settings.remount = fmt::format("echo again >> {}.count", folder.path());
  std::array jobs = {ValueOrDie(TrainJob::Open(folder.path(), settings))};
  ASSERT_TRUE(PlayRuns(jobs, settings, 1, false).has_value());
  ASSERT_TRUE(PlayRuns(jobs, settings, 1, false).has_value());
  EXPECT_EQ(ReadFile(folder.path() + ".count").size(), 2 * sizeof("again"));
  std::filesystem::remove(folder.path() + ".count");
  settings.remount = "exit 32";
  const auto failed = PlayRuns(jobs, settings, 1, false);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().message, "the command 'exit 32' ended with status 32");
}

}  // namespace
}  // namespace quire::bench
