// SPDX-License-Identifier: Apache-2.0
// Goal: whatever limits this process's memory is found, wherever control groups are mounted, and nothing else limits.
// Method: folders that look like /proc and /sys/fs/cgroup; and one real group, where the machine lets us make one.
#include "cache/memory/memory_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "cache/memory/memory_gauge.h"
#include "tests/support/fake_root.h"

namespace quire {
namespace {

// "<bytes> <source>"
std::string Find(const FakeRoot& root) {
  const auto limit = FindMemoryLimit(root.path());
  return limit ? fmt::format("{} {}", limit->bytes, limit->source) : limit.error().message;
}

constexpr const char* kMachine = "8589934592 this machine";

// Sets a soft limit of this process while it lives.
class SoftLimit {
 public:
  SoftLimit(__rlimit_resource resource, rlim_t bytes) : resource_(resource) {
    getrlimit(resource_, &before_);
    const rlimit wanted = {bytes, before_.rlim_max};
    set_ = setrlimit(resource_, &wanted) == 0;
  }
  SoftLimit(const SoftLimit&) = delete;
  SoftLimit& operator=(const SoftLimit&) = delete;
  ~SoftLimit() { setrlimit(resource_, &before_); }
  [[nodiscard]] bool is_set() const { return set_; }

 private:
  __rlimit_resource resource_;
  rlimit before_ = {};
  bool set_ = false;
};

TEST(MemoryLimit, WithoutControlGroupsItIsTheMachine) { EXPECT_EQ(Find(FakeRoot()), kMachine); }

TEST(MemoryLimit, WithoutTheMachinesMemoryItIsAnError) {
  for (const char* const text : {"", "MemFree: 1 kB\n", "MemTotal: many kB\n", "MemTotal: 18446744073709551615 kB\n"}) {
    const FakeRoot root;
    root.Put("/proc/meminfo", text);
    const auto limit = FindMemoryLimit(root.path());
    ASSERT_FALSE(limit.has_value()) << text;
    EXPECT_EQ(limit.error().code, ErrorCode::kSystem);
  }
}

TEST(MemoryLimit, V1GivesTheLimitOfTheOwnGroup) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV1Mounts);
  root.Put("/proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/slurm/job_7\n");
  root.Put("/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "2147483648\n");
  root.Put("/sys/fs/cgroup/memory/other/memory.limit_in_bytes", "1024\n");
  root.Put("/sys/fs/cgroup/cpu/slurm/job_7/memory.limit_in_bytes", "1024\n");
  EXPECT_EQ(Find(root), "2147483648 cgroup /slurm/job_7");
}

TEST(MemoryLimit, V1WithoutALimitIsTheMachine) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV1Mounts);
  root.Put("/proc/self/cgroup", "4:memory:/a\n");
  root.Put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", kV1Unlimited);
  root.Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", kV1Unlimited);
  EXPECT_EQ(Find(root), kMachine);
}

TEST(MemoryLimit, V1ControllersMayShareAHierarchy) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", "36 31 0:32 / /cg rw - cgroup  rw,cpu,memory\n");  // and have an empty source
  root.Put("/proc/self/cgroup", "4:cpu,memory:/a\n");
  root.Put("/cg/a/memory.limit_in_bytes", "4096\n");
  EXPECT_EQ(Find(root), "4096 cgroup /a");
}

TEST(MemoryLimit, V2GivesTheSmallerOfMaxAndHigh) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/a\n");
  root.Put("/sys/fs/cgroup/a/memory.max", "3000000\n");
  root.Put("/sys/fs/cgroup/a/memory.high", "max\n");
  EXPECT_EQ(Find(root), "3000000 cgroup /a");
  root.Put("/sys/fs/cgroup/a/memory.high", "2000000\n");
  EXPECT_EQ(Find(root), "2000000 cgroup /a");
}

TEST(MemoryLimit, V2WithoutALimitIsTheMachine) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/a\n");
  root.Put("/sys/fs/cgroup/a/memory.max", "max\n");
  root.Put("/sys/fs/cgroup/a/memory.high", "max\n");
  EXPECT_EQ(Find(root), kMachine);
}

TEST(MemoryLimit, InAHybridSetUpTheControllersPlaceCounts) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo",
           std::string(kV1Mounts) + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  root.Put("/proc/self/cgroup", "4:memory:/a\n1:name=systemd:/c\n0::/b\n");
  root.Put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000000\n");
  root.Put("/sys/fs/cgroup/unified/b/cgroup.procs", "1\n");
  EXPECT_EQ(Find(root), "5000000 cgroup /a");
}

TEST(MemoryLimit, TheSmallestOfNestedGroupsCounts) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/a/b/c\n");
  root.Put("/sys/fs/cgroup/a/b/c/memory.max", "3000000\n");
  root.Put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  root.Put("/sys/fs/cgroup/a/memory.max", "1000000\n");
  EXPECT_EQ(Find(root), "1000000 cgroup /a");
  root.Put("/sys/fs/cgroup/a/b/memory.max", "999999\n");
  EXPECT_EQ(Find(root), "999999 cgroup /a/b");
}

TEST(MemoryLimit, AContainerThatSeesItsOwnGroupOnly) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", "36 31 0:32 /docker/c1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  root.Put("/proc/self/cgroup", "4:memory:/docker/c1/worker\n");
  root.Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000000\n");
  root.Put("/sys/fs/cgroup/memory/docker/c1/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(Find(root), "7000000 cgroup /docker/c1");
  root.Put("/sys/fs/cgroup/memory/worker/memory.limit_in_bytes", "6000000\n");
  EXPECT_EQ(Find(root), "6000000 cgroup /docker/c1/worker");
}

TEST(MemoryLimit, AContainerWithItsOwnNamespaceSeesItsGroupAsTheRoot) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/\n");
  root.Put("/sys/fs/cgroup/memory.max", "7000000\n");
  EXPECT_EQ(Find(root), "7000000 cgroup /");
}

TEST(MemoryLimit, AMountFromAboveTheNamespaceLimitsToo) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  root.Put("/proc/self/cgroup", "0::/\n");
  root.Put("/sys/fs/cgroup/memory.max", "7000000\n");
  EXPECT_EQ(Find(root), "7000000 cgroup /../..");
}

TEST(MemoryLimit, AMountOfAnotherGroupDoesNotLimit) {
  for (const char* const other : {"/docker/c2", "/docker/c", "/docker/c1/worker", "/../c2"}) {
    const FakeRoot root;
    root.Put("/proc/self/mountinfo", fmt::format("30 23 0:26 {} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", other));
    root.Put("/proc/self/cgroup", "0::/docker/c1\n");
    root.Put("/sys/fs/cgroup/memory.max", "7000000\n");
    EXPECT_EQ(Find(root), kMachine) << other;
  }
}

TEST(MemoryLimit, EscapedNamesAreRestored) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", R"(30 23 0:26 /my\134x2djob /c\040g rw - cgroup2 cgroup2 rw)");
  root.Put("/proc/self/cgroup", "0::/my\\x2djob\n");
  root.Put("/c g/memory.max", "7000000\n");
  EXPECT_EQ(Find(root), "7000000 cgroup /my\\x2djob");
}

TEST(MemoryLimit, GarbageDoesNotLimit) {
  for (const char* const text : {"", "\n", "many\n", "-1\n", "12x\n", "0x10\n", "99999999999999999999999\n"}) {
    const FakeRoot root;
    root.Put("/proc/self/mountinfo", kV2Mounts);
    root.Put("/proc/self/cgroup", "0::/a\n");
    root.Put("/sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(Find(root), kMachine) << text;
  }
  for (const char* const text : {"0", "0:", "0::", "::", ":::/a", "x\n\n0::a\n", "0::/a/../..\n"}) {
    const FakeRoot root;
    root.Put("/proc/self/mountinfo", std::string("x\n\n1 2 3\n1 2 0:3 / /m rw\n1 2 0:3 / /m rw - \n\\\n") + kV2Mounts);
    root.Put("/proc/self/cgroup", text);
    EXPECT_EQ(Find(root), kMachine) << text;
  }
}

TEST(MemoryLimit, WhatCannotBeReadDoesNotHideTheGroupsAbove) {
  const FakeRoot root;
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/a/b (deleted)\n");
  std::filesystem::create_directories(root.path() + "/sys/fs/cgroup/a/memory.high");  // reads fail with EISDIR
  root.Put("/sys/fs/cgroup/a/memory.max", "1000000\n");
  EXPECT_EQ(Find(root), "1000000 cgroup /a");
}

TEST(MemoryLimit, TheSoftResourceLimitsCount) {
  // Larger than what sanitizers map, and less than the machine of this test.
  const FakeRoot root;
  root.Put("/proc/meminfo", "MemTotal: 1125899906842624 kB\n");
  for (const auto& [resource, bytes, source] : {std::tuple(RLIMIT_DATA, rlim_t{1} << 50, "RLIMIT_DATA, ulimit -d"),
                                                std::tuple(RLIMIT_AS, rlim_t{1} << 51, "RLIMIT_AS, ulimit -v")}) {
    const SoftLimit limit(resource, bytes);
    if (!limit.is_set()) GTEST_SKIP() << "the hard limit of this process is lower";
    EXPECT_EQ(Find(root), fmt::format("{} {}", bytes, source));
  }
}

// A group below our own, so that nobody else is affected.
class RealGroup {
 public:
  RealGroup() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
      const size_t at = line.find(":memory:");
      if (at != std::string::npos) name_ = fmt::format("{}/quire_test_{}", line.substr(at + 8), getpid());
    }
    std::error_code error;
    made_ = !name_.empty() && std::filesystem::create_directory(path(), error);
  }
  RealGroup(const RealGroup&) = delete;
  RealGroup& operator=(const RealGroup&) = delete;
  ~RealGroup() {
    if (made_) rmdir(path().c_str());
  }
  [[nodiscard]] bool is_made() const { return made_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/sys/fs/cgroup/memory" + name_; }

 private:
  std::string name_;
  bool made_ = false;
};

TEST(MemoryLimitDeathTest, ARealGroupOfThisMachineIsFound) {
  const RealGroup group;
  if (!group.is_made()) GTEST_SKIP() << "needs root and a memory controller of v1 at /sys/fs/cgroup/memory";
  std::ofstream(group.path() + "/memory.limit_in_bytes") << (512 << 20);
  EXPECT_EXIT(
      {
        std::ofstream(group.path() + "/cgroup.procs") << getpid();
        const auto limit = FindMemoryLimit();
        std::cerr << limit->bytes << " " << limit->source << "\n";
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), fmt::format("^{} cgroup {}\n$", 512 << 20, group.name()));
}

Result<uint64_t> FindAvailableMemory(const std::string& root) {
  auto gauge = MemoryGauge::Create(root);
  if (!gauge) return Propagate(std::move(gauge));
  return (*gauge)->available();
}

// What could still be used: cached files count as free, whoever limits them.
TEST(AvailableMemory, IsTheMachinesWhereNoGroupLimits) {
  const FakeRoot root;
  EXPECT_FALSE(FindAvailableMemory(root.path()).has_value()) << "MemAvailable is not there";
  root.Put("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
  EXPECT_EQ(FindAvailableMemory(root.path()), uint64_t{4} << 30);
}

TEST(AvailableMemory, IsWhatTheTightestGroupLeavesBesideItsCachedFiles) {
  const FakeRoot root;
  root.Put("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
  root.Put("/proc/self/mountinfo", kV1Mounts);
  root.Put("/proc/self/cgroup", "5:memory:/job/step\n");
  const std::string job = "/sys/fs/cgroup/memory/job";
  root.Put(job + "/memory.limit_in_bytes", "1000000\n");
  root.Put(job + "/memory.usage_in_bytes", "990000\n");
  root.Put(job + "/memory.stat", "inactive_file 1\ntotal_inactive_file 300000\ntotal_active_file 100000\n");
  root.Put(job + "/step/memory.limit_in_bytes", kV1Unlimited);
  root.Put(job + "/step/memory.usage_in_bytes", "700000\n");
  EXPECT_EQ(FindAvailableMemory(root.path()), 410000U);
  root.Put(job + "/memory.usage_in_bytes", "1500000\n");
  EXPECT_EQ(FindAvailableMemory(root.path()), 0U);
}

TEST(AvailableMemory, ReadsGroupsOfVersion2) {
  const FakeRoot root;
  root.Put("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
  root.Put("/proc/self/mountinfo", kV2Mounts);
  root.Put("/proc/self/cgroup", "0::/job\n");
  root.Put("/sys/fs/cgroup/job/memory.max", "max\n");
  root.Put("/sys/fs/cgroup/job/memory.high", "5000000\n");
  root.Put("/sys/fs/cgroup/job/memory.current", "4000000\n");
  root.Put("/sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 1000000\nactive_file 0\n");
  EXPECT_EQ(FindAvailableMemory(root.path()), 2000000U);
}

}  // namespace
}  // namespace quire
