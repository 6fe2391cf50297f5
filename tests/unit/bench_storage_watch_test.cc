// SPDX-License-Identifier: Apache-2.0
// Goal: a measurement is called cold only where its bytes came from below the caches, and what cannot be counted is
// empty. Method: files of a disk are read, evicted and read again; the counters of NFS are made up.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "format/file.h"
#include "tests/support/memory_tree.h"
#include "tools/bench/storage_watch.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr uint64_t kBytes = 4U << 20U;

TEST(JudgeBytes, IsColdOnlyWhereTheBytesCameFromBelow) {
  EXPECT_EQ(JudgeBytes({.bytes = 1000}, 1000, false), ServedFrom::kBelow);
  EXPECT_EQ(JudgeBytes({.bytes = 5000}, 1000, false), ServedFrom::kBelow);
  EXPECT_EQ(JudgeBytes({.bytes = 899}, 1000, false), ServedFrom::kPartly);
  EXPECT_EQ(JudgeBytes({.bytes = 21}, 1000, false), ServedFrom::kPartly);
  EXPECT_EQ(JudgeBytes({.bytes = 20}, 1000, false), ServedFrom::kCaches);
  EXPECT_EQ(JudgeBytes({.bytes = 0}, 0, false), ServedFrom::kCaches);
  EXPECT_EQ(JudgeBytes({}, 1000, false), ServedFrom::kUnknown);
  EXPECT_EQ(JudgeBytes({.bytes = 1000}, 1000, true), ServedFrom::kMemory);
}

TEST(JudgeBytes, ACounterThatMissesSomeProvesOnlyColdness) {
  EXPECT_EQ(JudgeBytes({.bytes = 950, .at_least = true}, 1000, false), ServedFrom::kBelow);
  EXPECT_EQ(JudgeBytes({.bytes = 0, .at_least = true}, 1000, false), ServedFrom::kUnknown);
  EXPECT_EQ(JudgeNames({.bytes = 0, .at_least = true}, false), ServedFrom::kUnknown);
}

TEST(JudgeNames, AreColdWhereAnythingCameFromBelow) {
  EXPECT_EQ(JudgeNames({.bytes = 8192}, false), ServedFrom::kBelow);
  EXPECT_EQ(JudgeNames({.bytes = 0}, false), ServedFrom::kCaches);
  EXPECT_EQ(JudgeNames({}, false), ServedFrom::kUnknown);
}

TEST(Fetched, ASumKnowsNoMoreThanItsParts) {
  EXPECT_EQ((Fetched{.bytes = 1} + Fetched{.bytes = 2}).bytes, 3U);
  EXPECT_FALSE((Fetched{.bytes = 1} + Fetched{}).bytes.has_value());
  EXPECT_TRUE((Fetched{.bytes = 1, .at_least = true} + Fetched{.bytes = 2}).at_least);
}

TEST(StorageWatch, CountsWhatADiskGaveAndNothingThatCachesGave) {
  // Not in a TemporaryFolder, which lies in memory.
  std::string path = "/var/tmp/quire-test-XXXXXX";
  const File file(mkstemp(path.data()));
  ASSERT_TRUE(file.is_open());
  WriteFile(path, Noise(kBytes, 1));
  const auto watch = StorageWatch::Of(path);
  if (watch.in_memory() || watch.counted_by() != "I/O of the readers") {
    std::filesystem::remove(path);
    GTEST_SKIP() << "no plain disk below /var/tmp";
  }
  sync();
  OkOrDie(EvictFile(path));
  const auto evicted = watch.Now();
  EXPECT_EQ(ReadFile(path).size(), kBytes);
  const Spent cold = watch.Since(evicted);
  EXPECT_EQ(JudgeBytes(cold.fetched, kBytes, false), ServedFrom::kBelow) << cold.fetched.bytes.value_or(0);
  EXPECT_LE(*cold.fetched.bytes, 2 * kBytes);
  const auto cached = watch.Now();
  EXPECT_EQ(ReadFile(path).size(), kBytes);
  EXPECT_EQ(JudgeBytes(watch.Since(cached).fetched, kBytes, false), ServedFrom::kCaches);
  EXPECT_FALSE(cold.daemon_cpu_seconds.has_value());
  std::filesystem::remove(path);
}

TEST(StorageWatch, KnowsMemoryAsSuch) {
  if (!std::filesystem::exists("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const auto watch = StorageWatch::Of("/dev/shm");
  EXPECT_TRUE(watch.in_memory());
  EXPECT_EQ(watch.why_no_bytes(), "");
}

TEST(StorageWatch, WhatNothingCountsIsEmptyAndSaysWhy) {
  const auto watch = StorageWatch::Of("/nonexistent");
  const Spent spent = watch.Since(watch.Now());
  EXPECT_FALSE(spent.fetched.bytes.has_value());
  EXPECT_FALSE(spent.daemon_cpu_seconds.has_value());
  EXPECT_NE(watch.why_no_bytes(), "");
}

TEST(CpuSeconds, OfAProcessThatIsGoneIsEmpty) {
  const std::vector<pid_t> here = {getpid()};
  EXPECT_TRUE(CpuSeconds(here).has_value());
  const std::vector<pid_t> gone = {getpid(), 0x7ffffffe};
  EXPECT_FALSE(CpuSeconds(gone).has_value());
}

constexpr const char* kMountStats =
    "device /dev/vda mounted on / with fstype ext4\n"
    "device srv:/a mounted on /data with fstype nfs4 statvers=1.1\n"
    "\topts:\trw,vers=4.2\n"
    "\tbytes:\t900 0 0 0 700 0 1 0\n"
    "\tper-op statistics\n"
    "device srv:/b mounted on /data\\040two with fstype nfs statvers=1.1\n"
    "\tbytes:\t1 2 3 4 5 6 7 8\n";

TEST(NfsBytesRead, AreThoseThatTheServerGave) {
  const auto bytes_of = [](const std::string& mount_point) {
    std::istringstream stats(kMountStats);
    return NfsBytesRead(stats, mount_point);
  };
  EXPECT_EQ(bytes_of("/data"), 700U);
  EXPECT_EQ(bytes_of("/data two"), 5U);
  EXPECT_FALSE(bytes_of("/").has_value());
  EXPECT_FALSE(bytes_of("/elsewhere").has_value());
}

}  // namespace
}  // namespace quire::bench
