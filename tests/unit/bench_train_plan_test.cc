// SPDX-License-Identifier: Apache-2.0
// Goal: what `quire bench train` reckons is right by hand: who reads what, how much of their time accelerators compute
// and what took the rest, how many of them are found, and what is too small to be measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "tests/support/fake_root.h"
#include "tools/bench/train/accelerator_search.h"
#include "tools/bench/train/batch_plan.h"
#include "tools/bench/train/data_size.h"
#include "tools/bench/train/lost_time.h"
#include "tools/bench/train/utilisation.h"
#include "tools/bench/train/workload.h"

namespace quire::bench {
namespace {

TEST(Workload, HasTheRatesThatArePublished) {
  const auto resnet50 = FindWorkload("resnet50");
  ASSERT_TRUE(resnet50.has_value());
  EXPECT_NEAR(resnet50->samples_per_second(), 1786, 1);
  EXPECT_NEAR(resnet50->samples_per_second() * static_cast<double>(resnet50->sample_bytes), 205e6, 1e6);
  EXPECT_NEAR(FindWorkload("unet3d")->samples_per_second(), 21.7, 0.1);
  EXPECT_FALSE(FindWorkload("unet4d").has_value());
}

TEST(ShuffledOrder, ReadsEverySampleOnceBeforeAnyTwice) {
  const BatchShape shape{.accelerators = 3, .workers = 2, .batch = 4, .steps = 5};  // 60 samples
  const auto order = ShuffledOrder(shape, 25, 1);
  ASSERT_EQ(order.size(), 60);
  for (const size_t begin : {0U, 25U})
    EXPECT_EQ(std::set(order.begin() + begin, order.begin() + begin + 25).size(), 25) << begin;
  EXPECT_NE(std::vector(order.begin(), order.begin() + 25), std::vector(order.begin() + 25, order.begin() + 50));
  EXPECT_NE(order, ShuffledOrder(shape, 25, 2));
  EXPECT_EQ(order, ShuffledOrder(shape, 25, 1));
}

TEST(BatchShape, GivesEachAcceleratorBatchesOfItsOwn) {
  const BatchShape shape{.accelerators = 2, .workers = 1, .batch = 3, .steps = 2};
  const std::vector<uint64_t> order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  EXPECT_TRUE(std::ranges::equal(shape.BatchOf(order, 0, 0), std::array{0, 1, 2}));
  EXPECT_TRUE(std::ranges::equal(shape.BatchOf(order, 0, 1), std::array{3, 4, 5}));
  EXPECT_TRUE(std::ranges::equal(shape.BatchOf(order, 1, 1), std::array{9, 10, 11}));
}

TEST(ShardOrder, LetsEachWorkerReadItsShardsFromTheFirstRecordToTheLast) {
  const BatchShape shape{.accelerators = 2, .workers = 2, .batch = 2, .steps = 10};
  const std::vector<uint64_t> begins = {0, 5, 6, 16, 20};  // four shards
  const auto order = ShardOrder(shape, begins, 1);
  ASSERT_EQ(order.size(), shape.samples());
  for (unsigned accelerator = 0; accelerator < 2; ++accelerator) {
    for (unsigned worker = 0; worker < 2; ++worker) {
      std::vector<uint64_t> stream;
      for (uint64_t step = worker; step < shape.steps; step += 2)
        std::ranges::copy(shape.BatchOf(order, step, accelerator), std::back_inserter(stream));
      EXPECT_TRUE(std::ranges::find(begins, stream[0]) != begins.end()) << stream[0];
      for (size_t i = 1; i < stream.size(); ++i) {
        const bool ended = std::ranges::find(begins, stream[i - 1] + 1) != begins.end();
        EXPECT_TRUE(ended ? std::ranges::find(begins, stream[i]) != begins.end() : stream[i] == stream[i - 1] + 1);
      }
    }
  }
  // The first four shards that are taken are four different ones.
  std::set<uint64_t> firsts;
  for (const uint64_t step : {0U, 1U})
    for (const unsigned accelerator : {0U, 1U}) firsts.insert(shape.BatchOf(order, step, accelerator)[0]);
  EXPECT_EQ(firsts, (std::set<uint64_t>{0, 5, 6, 16}));
}

// Two accelerators, steps of 10 s; at second 1.5 the second one waits 4 s for a batch, and the first one for it.
EpochTimes TwoAccelerators() {
  return {.begin = 0,
          .step_ends = {12, 22, 36.5},
          .arrivals = {{2, 12, 22}, {2, 12, 26}},
          .computeds = {{12, 22, 32}, {12, 22, 36.5}}};
}

TEST(Account, TellsWhatTookTheTime) {
  const Utilisation use = Account(TwoAccelerators(), 10, 1);
  EXPECT_EQ(use.steps, 2);
  EXPECT_DOUBLE_EQ(use.nominal_seconds, 20);
  EXPECT_DOUBLE_EQ(use.wall_seconds, 24.5);
  EXPECT_DOUBLE_EQ(use.au(), 20 / 24.5);
  EXPECT_DOUBLE_EQ(use.whole_au(), 30 / 36.5);
  EXPECT_DOUBLE_EQ(use.stall_seconds, 2);         // 4 s of one of two
  EXPECT_DOUBLE_EQ(use.overshoot_seconds, 0.25);  // 0.5 s of one of two
  EXPECT_DOUBLE_EQ(use.barrier_seconds, 2.25);    // 4.5 s of the other
  EXPECT_DOUBLE_EQ(use.nominal_seconds + use.stall_seconds + use.overshoot_seconds + use.barrier_seconds,
                   use.wall_seconds);
}

TEST(Account, ASlowBatchStallsItsOwnAcceleratorAlone) {
  const Utilisation use = Account(TwoAccelerators(), 10, 1);
  EXPECT_EQ(use.accelerator_stall_seconds, (std::vector<double>{0, 4}));
  EXPECT_EQ(use.stalls, (std::vector<double>{0, 0, 0, 4}));
}

TEST(Account, LeavesOutAsManyStepsAsItIsTold) {
  const Utilisation use = Account(TwoAccelerators(), 10, 2);
  EXPECT_EQ(use.steps, 1);
  EXPECT_DOUBLE_EQ(use.wall_seconds, 14.5);
  EXPECT_DOUBLE_EQ(use.all_wall_seconds, 36.5);
  EXPECT_EQ(use.stalls, (std::vector<double>{0, 4}));
}

TEST(Pool, AddsTimesUpAndNotRatios) {
  const Utilisation use = Account(TwoAccelerators(), 10, 1);
  Utilisation perfect = use;
  perfect.wall_seconds = 20;
  perfect.stalls = {1, 2, 3, 4};
  const Utilisation all = Pool(std::array{use, perfect});
  EXPECT_DOUBLE_EQ(all.au(), 40 / 44.5);
  EXPECT_EQ(all.stalls, (std::vector<double>{0, 0, 0, 1, 2, 3, 4, 4}));
  EXPECT_EQ(all.accelerator_stall_seconds, (std::vector<double>{0, 8}));
}

// What a search asks where `trials` and `wholes` say up to how many pass.
std::vector<AcceleratorSearch::Question> Ask(AcceleratorSearch& search, unsigned trials, unsigned wholes) {
  std::vector<AcceleratorSearch::Question> asked;
  while (const auto question = search.Next()) {
    asked.push_back(*question);
    search.Answer(question->accelerators <= (question->is_whole ? wholes : trials));
    if (asked.size() > 100) break;
  }
  return asked;
}

using Questions = std::vector<AcceleratorSearch::Question>;

TEST(AcceleratorSearch, DoublesBisectsAndConfirmsBothSides) {
  AcceleratorSearch search(100);
  EXPECT_EQ(Ask(search, 5, 5),
            (Questions{{1, false}, {2, false}, {4, false}, {8, false}, {6, false}, {5, false}, {5, true}, {6, true}}));
  EXPECT_EQ(search.found(), 5);
  EXPECT_FALSE(search.may_be_more());
}

// In strides that double, and then by halves: few of what takes minutes each.
TEST(AcceleratorSearch, WholeMeasurementsOverruleTrials) {
  AcceleratorSearch fewer(100);
  const auto down = Ask(fewer, 16, 3);
  EXPECT_EQ(fewer.found(), 3);
  EXPECT_EQ(Questions(std::ranges::find(down, true, &AcceleratorSearch::Question::is_whole), down.end()),
            (Questions{{16, true}, {15, true}, {13, true}, {9, true}, {1, true}, {5, true}, {3, true}, {4, true}}));
  AcceleratorSearch more(100);
  const auto up = Ask(more, 5, 10);
  EXPECT_EQ(more.found(), 10);
  EXPECT_EQ(Questions(std::ranges::find(up, true, &AcceleratorSearch::Question::is_whole), up.end()),
            (Questions{{5, true}, {6, true}, {8, true}, {12, true}, {10, true}, {11, true}}));
}

TEST(AcceleratorSearch, FindsNoneAndAll) {
  AcceleratorSearch none(100);
  EXPECT_EQ(Ask(none, 0, 0), (Questions{{1, false}, {1, true}}));
  EXPECT_EQ(none.found(), 0);
  EXPECT_FALSE(none.may_be_more());
  AcceleratorSearch all(6);
  EXPECT_EQ(Ask(all, 100, 100), (Questions{{1, false}, {2, false}, {4, false}, {6, false}, {6, true}}));
  EXPECT_EQ(all.found(), 6);
  EXPECT_TRUE(all.may_be_more());
  AcceleratorSearch one(1);
  Ask(one, 100, 100);
  EXPECT_TRUE(one.may_be_more());
}

TEST(AcceleratorSearch, AlwaysEndsWithWhatWasMeasured) {
  for (unsigned trials = 0; trials <= 20; ++trials) {
    for (unsigned wholes = 0; wholes <= 20; ++wholes) {
      AcceleratorSearch search(16);
      const auto asked = Ask(search, trials, wholes);
      EXPECT_EQ(search.found(), std::min(wholes, 16U));
      std::set<unsigned> seen;
      for (const auto& question : asked) {
        if (!question.is_whole) continue;
        EXPECT_TRUE(seen.insert(question.accelerators).second) << question.accelerators << " were measured twice";
      }
      EXPECT_TRUE(search.found() == 0 || seen.contains(search.found()));
      EXPECT_TRUE(search.may_be_more() || seen.contains(search.found() + 1));
    }
  }
}

TEST(JudgeLoss, NamesWhatTookTheMost) {
  const auto use = [](double stall, double barrier, double overshoot) {
    return Utilisation{.nominal_seconds = 100,
                       .wall_seconds = 100 + stall + barrier + overshoot,
                       .stall_seconds = stall,
                       .overshoot_seconds = overshoot,
                       .barrier_seconds = barrier};
  };
  const LossWitness waiting{.workers = {.reading = 100, .cpu = 10}, .seconds = 120, .cores = 2};
  EXPECT_EQ(JudgeLoss(use(1, 0.5, 0.1), waiting), LostTo::kNothing);
  EXPECT_EQ(JudgeLoss(use(20, 5, 0), waiting), LostTo::kStorage);
  EXPECT_EQ(JudgeLoss(use(1, 1, 20), waiting), LostTo::kProcessor);
  EXPECT_EQ(JudgeLoss(use(1, 30, 2), waiting), LostTo::kProcessor);  // others wait for whose sleep ended late
  LossWitness busy = waiting;
  busy.workers.run_queue = 50;
  EXPECT_EQ(JudgeLoss(use(20, 5, 0), busy), LostTo::kProcessor);
}

TEST(JudgeLoss, IsToTheBarrierOnlyWhereWorkersHadTimeLeft) {
  const Utilisation use{.nominal_seconds = 100, .wall_seconds = 125, .stall_seconds = 5, .barrier_seconds = 20};
  LossWitness witness{.workers = {.reading = 100, .cpu = 10}, .seconds = 130, .cores = 2};
  EXPECT_EQ(JudgeLoss(use, witness), LostTo::kStorage);
  witness.workers.idle = 100;
  EXPECT_EQ(JudgeLoss(use, witness), LostTo::kBarrier);
  witness.workers.run_queue = 50;  // what makes single batches late is then known
  EXPECT_EQ(JudgeLoss(use, witness), LostTo::kProcessor);
}

TEST(JudgeLoss, IsToADaemonThatHasTheCoresOrAThreadThroughWhichAllGoes) {
  const Utilisation use{.nominal_seconds = 100, .wall_seconds = 125, .stall_seconds = 25};
  const LossWitness waiting{.workers = {.reading = 100, .cpu = 10}, .seconds = 120, .cores = 16};
  LossWitness all_cores = waiting;
  all_cores.spent.daemon_cpu_seconds = 1000;
  EXPECT_EQ(JudgeLoss(use, all_cores), LostTo::kDaemon);
  LossWitness one_thread = waiting;
  one_thread.spent = {.daemon_cpu_seconds = 110, .daemon_busiest_seconds = 105, .daemon_run_queue_seconds = 5};
  EXPECT_EQ(JudgeLoss(use, one_thread), LostTo::kDaemon);
  one_thread.spent.daemon_run_queue_seconds = 111;  // others have the cores
  EXPECT_EQ(JudgeLoss(use, one_thread), LostTo::kProcessor);
  one_thread.spent.daemon_busiest_seconds = 60;
  EXPECT_EQ(JudgeLoss(use, one_thread), LostTo::kStorage);
}

TEST(ReadPressure, IsEmptyWhereTheKernelDoesNotTell) {
  const FakeRoot root;
  root.Put("/proc/pressure/cpu", "some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\n");
  root.Put("/proc/pressure/io", "");
  const Pressure pressure = ReadPressure(root.path() + "/proc/pressure");
  EXPECT_EQ(pressure.cpu, 2.5);
  EXPECT_FALSE(pressure.io.has_value());
  EXPECT_FALSE(pressure.memory.has_value());
  EXPECT_EQ((pressure - pressure).cpu, 0);
}

TEST(CheckDataSize, WantsFiveTimesTheMemory) {
  const MemoryLimit memory{.bytes = 1000, .source = "cgroup /job"};
  EXPECT_TRUE(CheckDataSize("data", {.files = 1, .bytes = 5000}, memory).has_value());
  const auto refused = CheckDataSize("data", {.files = 1, .bytes = 4999}, memory);
  ASSERT_FALSE(refused.has_value());
  for (const char* const word : {"data", "cgroup /job", "--allow-cached"})
    EXPECT_TRUE(refused.error().message.contains(word)) << refused.error().message;
}

TEST(FindHoldingMemory, IsWhatTheControlGroupLeaves) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/job\n");
  root.Put("/sys/fs/cgroup/job/memory.max", "1073741824\n");
  const auto memory = FindHoldingMemory(StorageWatch(), root.path());
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->bytes, 1U << 30U);
}

TEST(HugePageBytesOf, AreThoseOfAllMappingsOfHugetlbfs) {
  const FakeRoot root;
  EXPECT_EQ(HugePageBytesOf(7, root.path()), 0);
  root.Put(
      "/proc/7/smaps",
      "7f0000000000-7f0000100000 rw-p 00000000 00:00 0\nSize:               1024 kB\nVmFlags: rd wr mr mw me ac hg\n"
      "7f1000000000-7f1040000000 rw-s 00000000 00:0e 5 /memfd:quire (deleted)\n"
      "Size:            1048576 kB\nVmFlags: rd wr sh mr mw me ms de ht\n");
  EXPECT_EQ(HugePageBytesOf(7, root.path()), 1U << 30U);
}

TEST(CutSlices, EachHasEnoughAndNoneIsLeftOut) {
  using Begins = std::vector<uint64_t>;
  const std::vector<uint64_t> sizes = {5, 5, 10, 1, 9, 30, 2, 3};
  EXPECT_EQ(CutSlices(sizes, 10), (Begins{0, 2, 3, 5, 8}));  // what is too little is part of the last
  EXPECT_EQ(CutSlices(sizes, 31), (Begins{0, 8}));
  EXPECT_EQ(CutSlices(sizes, 1000), (Begins{0, 8}));
  EXPECT_EQ(CutSlices(std::vector<uint64_t>{10, 10}, 10), (Begins{0, 1, 2}));
}

}  // namespace
}  // namespace quire::bench
