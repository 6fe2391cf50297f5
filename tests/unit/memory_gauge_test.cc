// SPDX-License-Identifier: Apache-2.0
// Goal: the gauge tells what its files say now, follows the process into other control groups, and tells a shortage of
// memory from memory that is full of cached files; asking allocates nothing.
// Method: folders that look like /proc and /sys/fs/cgroup, and a clock that the tests move; this machine's own files.
#include "cache/memory/memory_gauge.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "tests/support/count_allocations.h"
#include "tests/support/fake_root.h"

namespace quire {
namespace {

using std::chrono::seconds;

constexpr const char* kCalm = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00\n";
constexpr const char* kStalled = "some avg10=10.00 avg60=2.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00\n";

MemoryGauge::Clock::time_point fake_now;

std::string Meminfo(uint64_t total_mib, uint64_t available_mib) {
  return fmt::format("MemTotal: {} kB\nMemFree: 1 kB\nMemAvailable: {} kB\n", total_mib << 10, available_mib << 10);
}

// A machine of 8 GiB, half of it available.
class MemoryGaugeTest : public testing::Test {
 protected:
  MemoryGaugeTest() { root_.Put("/proc/meminfo", Meminfo(8192, 4096)); }

  void Open() {
    auto gauge = MemoryGauge::Create(root_.path(), [] { return fake_now; });
    ASSERT_TRUE(gauge.has_value()) << gauge.error().message;
    gauge_ = std::move(*gauge);
  }
  // The process is in `group` of v2, which exists.
  void PutV2Group(const std::string& group, const std::string& max, uint64_t current, uint64_t cached) {
    root_.Put("/proc/self/mountinfo", kV2Mounts);
    root_.Put("/proc/self/cgroup", fmt::format("0::{}\n", group));
    const std::string folder = "/sys/fs/cgroup" + group;
    root_.Put(folder + "/memory.max", max + "\n");
    root_.Put(folder + "/memory.current", fmt::format("{}\n", current));
    root_.Put(folder + "/memory.stat", fmt::format("anon 1\ninactive_file {}\nactive_file 0\n", cached));
  }

  FakeRoot root_;
  std::unique_ptr<MemoryGauge> gauge_;
};

TEST_F(MemoryGaugeTest, WithoutMemAvailableThereIsNoGauge) {
  for (const char* const text :
       {"", "MemTotal: 8388608 kB\n", "MemAvailable: 4 kB\n", "MemTotal: 1 kB\nMemAvailable: x"}) {
    root_.Put("/proc/meminfo", text);
    EXPECT_FALSE(MemoryGauge::Create(root_.path()).has_value()) << text;
  }
}

TEST_F(MemoryGaugeTest, ReadsAnewEachTimeAndKeepsTheLastValue) {
  PutV2Group("/job", "5000000", 4000000, 1000000);
  Open();
  EXPECT_EQ(gauge_->available(), 2000000U);
  root_.Put("/sys/fs/cgroup/job/memory.current", "4500000\n");
  EXPECT_EQ(gauge_->available(), 2000000U);
  EXPECT_EQ(gauge_->ReadAvailable(), 1500000U);
  EXPECT_EQ(gauge_->available(), 1500000U);
  root_.Put("/sys/fs/cgroup/job/memory.max", "max\n");
  EXPECT_EQ(gauge_->ReadAvailable(), uint64_t{4} << 30);
  root_.Put("/proc/meminfo", Meminfo(8192, 1));
  EXPECT_EQ(gauge_->ReadAvailable(), uint64_t{1} << 20);
}

TEST_F(MemoryGaugeTest, TheTightestGroupUpToTheRootCounts) {
  PutV2Group("/job", "5000000", 1000000, 0);
  PutV2Group("/job/step", "3000000", 0, 0);
  Open();
  EXPECT_EQ(gauge_->ReadAvailable(), 3000000U);
  root_.Put("/sys/fs/cgroup/job/memory.current", "4999999\n");
  EXPECT_EQ(gauge_->ReadAvailable(), 1U);
}

TEST_F(MemoryGaugeTest, AGroupThatIsGoneIsLookedForAgainAtOnce) {
  PutV2Group("/job", "5000000", 1000000, 0);
  Open();
  ASSERT_EQ(gauge_->ReadAvailable(), 4000000U);
  // The open file of a group that was removed fails with ENODEV. No ordinary file does, so a folder takes its place in
  // the gauge's descriptor: reading it fails as well.
  const std::string file = root_.path() + "/sys/fs/cgroup/job/memory.current";
  const int folder = open(root_.path().c_str(), O_RDONLY | O_CLOEXEC);
  int replaced = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    std::error_code error;
    if (std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), error) != file) continue;
    replaced += dup3(folder, fd, O_CLOEXEC) == fd ? 1 : 0;
  }
  close(folder);
  ASSERT_EQ(replaced, 1);
  PutV2Group("/new", "7000000", 1000000, 0);
  EXPECT_EQ(gauge_->ReadAvailable(), 6000000U);
}

TEST_F(MemoryGaugeTest, AProcessThatWasMovedIsFollowedWithinSeconds) {
  PutV2Group("/job", "5000000", 1000000, 0);
  Open();
  PutV2Group("/new", "7000000", 1000000, 0);
  EXPECT_EQ(gauge_->ReadAvailable(), 4000000U) << "the old group is still there, and nobody looked";
  fake_now += seconds(5);
  EXPECT_EQ(gauge_->ReadAvailable(), 6000000U);
}

TEST_F(MemoryGaugeTest, WithoutTheMachinesFigureNothingIsAvailable) {
  Open();
  root_.Put("/proc/meminfo", "garbage");
  EXPECT_EQ(gauge_->ReadAvailable(), 0U);
  EXPECT_TRUE(gauge_->IsUnderPressure());
  root_.Put("/proc/meminfo", Meminfo(8192, 4096));
  EXPECT_EQ(gauge_->ReadAvailable(), uint64_t{4} << 30);
}

TEST_F(MemoryGaugeTest, StallsOfTheMachineArePressureWhereItsMemoryIsInUse) {
  root_.Put("/proc/pressure/memory", kCalm);
  root_.Put("/proc/meminfo", Meminfo(8192, 100));
  Open();
  EXPECT_FALSE(gauge_->IsUnderPressure()) << "little is left, and nobody has to wait for it";
  root_.Put("/proc/pressure/memory", kStalled);
  EXPECT_TRUE(gauge_->IsUnderPressure());
  root_.Put("/proc/meminfo", Meminfo(8192, 5000));
  EXPECT_FALSE(gauge_->IsUnderPressure()) << "a neighbour waits within its own limit";
}

TEST_F(MemoryGaugeTest, StallsOfTheOwnGroupArePressureUnlessItIsFullOfCachedFiles) {
  root_.Put("/proc/pressure/memory", kCalm);
  PutV2Group("/job", "5000000", 5000000, 4000000);
  root_.Put("/sys/fs/cgroup/job/memory.pressure", kStalled);
  root_.Put("/proc/meminfo", Meminfo(8192, 8000));
  Open();
  EXPECT_FALSE(gauge_->IsUnderPressure());
  PutV2Group("/job", "5000000", 5000000, 1000000);
  EXPECT_TRUE(gauge_->IsUnderPressure());
  root_.Put("/sys/fs/cgroup/job/memory.pressure", "some avg10=9.99 avg60=50.00 avg300=50.00 total=7\n");
  EXPECT_FALSE(gauge_->IsUnderPressure());
}

TEST_F(MemoryGaugeTest, WithoutPressureFiguresWhatIsAvailableDecides) {
  root_.Put("/proc/meminfo", Meminfo(10000, 600));
  Open();
  EXPECT_FALSE(gauge_->IsUnderPressure());
  root_.Put("/proc/meminfo", Meminfo(10000, 400));
  EXPECT_TRUE(gauge_->IsUnderPressure());
}

TEST_F(MemoryGaugeTest, GarbageIsNoPressureFigure) {
  for (const char* const text : {"", "\n", "some", "some avg10=", "some avg10=99", "some avg10=x.yz ",
                                 "some avg10=999.00 ", "full avg10=99.00 avg60=0.00\n"}) {
    root_.Put("/proc/pressure/memory", text);
    root_.Put("/proc/meminfo", Meminfo(10000, 600));
    Open();
    EXPECT_FALSE(gauge_->IsUnderPressure()) << text;
    root_.Put("/proc/meminfo", Meminfo(10000, 400));
    EXPECT_TRUE(gauge_->IsUnderPressure()) << text;
  }
}

TEST_F(MemoryGaugeTest, EachRiseOfALimitsCountIsToldOnceV1) {
  root_.Put("/proc/self/mountinfo", kV1Mounts);
  root_.Put("/proc/self/cgroup", "4:memory:/job\n");
  const std::string count = "/sys/fs/cgroup/memory/job/memory.failcnt";
  root_.Put(count, "17\n");
  Open();
  EXPECT_FALSE(gauge_->HasHitLimit());
  root_.Put(count, "18\n");
  EXPECT_TRUE(gauge_->HasHitLimit());
  EXPECT_FALSE(gauge_->HasHitLimit());
}

TEST_F(MemoryGaugeTest, EachRiseOfALimitsCountIsToldOnceV2) {
  PutV2Group("/job", "5000000", 1000000, 0);
  const std::string counts = "/sys/fs/cgroup/job/memory.events";
  root_.Put(counts, "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\n");
  Open();
  EXPECT_FALSE(gauge_->HasHitLimit());
  root_.Put(counts, "low 9\nhigh 2\nmax 3\noom 4\noom_kill 5\n");
  EXPECT_FALSE(gauge_->HasHitLimit());
  root_.Put(counts, "low 9\nhigh 3\nmax 3\noom 4\noom_kill 5\n");
  EXPECT_TRUE(gauge_->HasHitLimit());
  root_.Put(counts, "low 9\nhigh 3\nmax 4\noom 4\noom_kill 5\n");
  EXPECT_TRUE(gauge_->HasHitLimit());
  EXPECT_FALSE(gauge_->HasHitLimit());
}

TEST_F(MemoryGaugeTest, AnotherGroupsCountIsNoHit) {
  PutV2Group("/job", "5000000", 1000000, 0);
  root_.Put("/sys/fs/cgroup/job/memory.events", "max 3\n");
  Open();
  PutV2Group("/new", "5000000", 1000000, 0);
  root_.Put("/sys/fs/cgroup/new/memory.events", "max 300\n");
  fake_now += seconds(5);
  gauge_->ReadAvailable();
  EXPECT_FALSE(gauge_->HasHitLimit());
}

TEST_F(MemoryGaugeTest, AskingAllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers bring allocators of their own";
  root_.Put("/proc/pressure/memory", kStalled);
  PutV2Group("/job", "5000000", 1000000, 0);
  root_.Put("/sys/fs/cgroup/job/memory.pressure", kStalled);
  root_.Put("/sys/fs/cgroup/job/memory.events", "high 0\nmax 0\n");
  Open();
  const AllocationCounter allocations;
  for (int i = 0; i < 10; ++i) {
    fake_now += seconds(5);  // looks whether the process was moved as well
    gauge_->ReadAvailable();
    gauge_->IsUnderPressure();
    gauge_->HasHitLimit();
  }
  EXPECT_EQ(allocations.count(), 0U);
}

TEST_F(MemoryGaugeTest, AnyThreadMayAsk) {
  PutV2Group("/job", "5000000", 1000000, 0);
  Open();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 100; ++round) {
        EXPECT_EQ(gauge_->ReadAvailable(), 4000000U);
        EXPECT_EQ(gauge_->available(), 4000000U);
        EXPECT_FALSE(gauge_->IsUnderPressure());
      }
    });
  }
}

TEST(MemoryGauge, ThisMachineHasAvailableMemory) {
  const auto gauge = MemoryGauge::Create();
  ASSERT_TRUE(gauge.has_value()) << gauge.error().message;
  EXPECT_GT((*gauge)->ReadAvailable(), 0U);
}

}  // namespace
}  // namespace quire
