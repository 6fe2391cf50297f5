// SPDX-License-Identifier: Apache-2.0
// Goal: what is read while somebody looks is counted by thread, folder and operation, from any number of threads, and
// nothing is counted when nobody does.
#include "fs/trace/read_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

namespace quire {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kStartNs = 1000 * kSecondNs;
constexpr uint64_t kNodesAFolder = 100;
constexpr uint64_t kDamaged = 900;

// Node 234 is in folder 2, which holds 200 to 299.
std::optional<WatchedFolder> FolderOf(uint64_t node) {
  if (node >= kDamaged) return std::nullopt;
  const uint64_t folder = node / kNodesAFolder;
  return WatchedFolder{.node = folder, .end_child = (folder + 1) * kNodesAFolder};
}

class ReadWatchTest : public testing::Test {
 protected:
  void Read(uint64_t node, uint32_t process, bool is_first = true, uint32_t bytes = 1000) {
    watch_.CountRead({.node = node, .process = process, .bytes = bytes, .is_first = is_first}, now_ns_, now_ns_ + 5000);
  }
  static uint64_t Requests(const WatchFigures& figures, WatchedOperation operation) {
    const auto& counts = figures.operations[static_cast<size_t>(operation)].requests_by_us;
    return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  }
  static ReadSum SumOf(const std::vector<BusyKey>& list, uint64_t key) {
    const auto found = std::ranges::find(list, key, &BusyKey::key);
    return found == list.end() ? ReadSum() : found->sum;
  }

  uint64_t now_ns_ = kStartNs;
  ReadWatch watch_{FolderOf};
};

TEST_F(ReadWatchTest, IsOffUntilSomebodyLooks) {
  EXPECT_FALSE(watch_.is_on());
  Read(1, 7);
  watch_.Count(WatchedOperation::kLookup, now_ns_, now_ns_);
  const WatchFigures figures = watch_.Look(now_ns_);
  EXPECT_TRUE(watch_.is_on());
  EXPECT_EQ(Requests(figures, WatchedOperation::kRead) + Requests(figures, WatchedOperation::kLookup), 0U);
  EXPECT_TRUE(figures.threads.empty() && figures.folders.empty());
  EXPECT_EQ(figures.counted_s, 0);
}

TEST_F(ReadWatchTest, CountsByThreadFolderAndOperation) {
  watch_.Look(now_ns_);
  Read(201, 7);
  Read(202, 7);
  Read(202, 7, /*is_first=*/false, 500);
  Read(301, 8);
  watch_.Count(WatchedOperation::kLookup, now_ns_, now_ns_ + 300'000);
  const WatchFigures figures = watch_.Look(now_ns_ + kSecondNs);
  EXPECT_EQ(SumOf(figures.threads, 7), (ReadSum{.reads = 3, .files = 2, .bytes = 2500}));
  EXPECT_EQ(SumOf(figures.threads, 8), (ReadSum{.reads = 1, .files = 1, .bytes = 1000}));
  EXPECT_EQ(SumOf(figures.folders, 2), (ReadSum{.reads = 3, .files = 2, .bytes = 2500}));
  EXPECT_EQ(SumOf(figures.folders, 3), (ReadSum{.reads = 1, .files = 1, .bytes = 1000}));
  EXPECT_EQ(figures.threads.front().key, 7U);
  EXPECT_EQ(Requests(figures, WatchedOperation::kRead), 4U);
  EXPECT_EQ(Requests(figures, WatchedOperation::kLookup), 1U);
  const auto& lookup = figures.operations[static_cast<size_t>(WatchedOperation::kLookup)];
  EXPECT_EQ(lookup.requests_by_us[LatencyBucket(300'000)], 1U);
  EXPECT_EQ(lookup.total_ns, 300'000U);
  EXPECT_EQ(figures.unassigned_reads, 0U);
  EXPECT_DOUBLE_EQ(figures.counted_s, 1);
}

TEST_F(ReadWatchTest, FiguresGoOnFromLookToLook) {
  watch_.Look(now_ns_);
  Read(201, 7);
  watch_.Look(now_ns_ += kSecondNs);
  Read(202, 7);
  const WatchFigures figures = watch_.Look(now_ns_ += kSecondNs);
  EXPECT_EQ(SumOf(figures.threads, 7).reads, 2U);
  EXPECT_DOUBLE_EQ(figures.counted_s, 2);
}

TEST_F(ReadWatchTest, ReadsOfDamagedFoldersAreOfTheirThreadAlone) {
  watch_.Look(now_ns_);
  Read(kDamaged, 7);
  Read(201, 7);
  const WatchFigures figures = watch_.Look(now_ns_ + kSecondNs);
  EXPECT_EQ(SumOf(figures.threads, 7).reads, 2U);
  ASSERT_EQ(figures.folders.size(), 1U);
  EXPECT_EQ(figures.folders.front().key, 2U);
}

TEST_F(ReadWatchTest, EndsTenSecondsAfterTheLastLook) {
  watch_.Look(now_ns_);
  now_ns_ += 9 * kSecondNs;
  Read(201, 7);
  EXPECT_TRUE(watch_.is_on());
  now_ns_ += 2 * kSecondNs;
  Read(202, 7);
  EXPECT_FALSE(watch_.is_on());
  Read(203, 7);
  const WatchFigures figures = watch_.Look(now_ns_ += 100 * kSecondNs);
  EXPECT_EQ(SumOf(figures.threads, 7).reads, 1U);
  EXPECT_EQ(Requests(figures, WatchedOperation::kRead), 1U);
  EXPECT_DOUBLE_EQ(figures.counted_s, 10);
  EXPECT_TRUE(watch_.is_on()) << "a look switches it on again";
}

TEST_F(ReadWatchTest, ReadsBeyondTheRingAreCountedAndNobodys) {
  watch_.Look(now_ns_);
  constexpr uint64_t kMore = 10;
  for (uint64_t i = 0; i < ReadWatch::kRecords + kMore; ++i) Read(201, 7);
  const WatchFigures figures = watch_.Look(now_ns_ + kSecondNs);
  EXPECT_EQ(SumOf(figures.threads, 7).reads, ReadWatch::kRecords);
  EXPECT_EQ(figures.unassigned_reads, kMore);
  EXPECT_EQ(Requests(figures, WatchedOperation::kRead), ReadWatch::kRecords + kMore);
}

TEST_F(ReadWatchTest, ReadersAndLookersDoNotDisturbEachOther) {
  watch_.Look(now_ns_);
  constexpr uint32_t kReaders = 4;
  constexpr uint64_t kReads = 20'000;
  std::vector<std::jthread> threads;
  for (uint32_t reader = 1; reader <= kReaders; ++reader)
    threads.emplace_back([this, reader] {
      for (uint64_t i = 0; i < kReads; ++i) Read(reader * kNodesAFolder + i % kNodesAFolder, reader);
    });
  for (int looker = 0; looker < 2; ++looker)
    threads.emplace_back([this] {
      for (int i = 0; i < 50; ++i) watch_.Look(now_ns_);
    });
  threads.clear();
  const WatchFigures figures = watch_.Look(now_ns_);
  uint64_t assigned = 0;
  for (uint32_t reader = 1; reader <= kReaders; ++reader) {
    assigned += SumOf(figures.threads, reader).reads;
    EXPECT_EQ(SumOf(figures.threads, reader).reads, SumOf(figures.folders, reader).reads);
  }
  EXPECT_EQ(assigned + figures.unassigned_reads, kReaders * kReads);
  EXPECT_EQ(Requests(figures, WatchedOperation::kRead), kReaders * kReads);
}

}  // namespace
}  // namespace quire
