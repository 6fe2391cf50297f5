// SPDX-License-Identifier: Apache-2.0
// Goal: every slot that an arena gives out is memory that is there, aligned, and of the kind that it tells; what cannot
// be had is an error or a smaller arena, never a signal.
// Method: real memory. What needs more rights than a test has by itself is skipped, with the reason.
#include "cache/memory/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr const char* kPool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
constexpr const char* kThpChoice = "/sys/kernel/mm/transparent_hugepage/enabled";

uint64_t ReadPool(const std::string& name) {
  uint64_t number = 0;
  std::ifstream(kPool + name) >> number;
  return number;
}

// Other tests run at the same time, whose arenas take what is free in the pool.
constexpr uint64_t kForOthers = 64;

// Adds pages to the pool of this machine while it lives. One test at a time, in whatever process: so a test that needs
// the machine's huge pages as they are adds none.
class MorePages {
 public:
  explicit MorePages(uint64_t pages) : lock_(open("/proc/sys/vm/nr_hugepages", O_RDONLY | O_CLOEXEC)) {
    flock(lock_, LOCK_EX);
    before_ = ReadPool("nr_hugepages");
    if (pages > 0) pages += kForOthers;
    std::ofstream(std::string(kPool) + "nr_hugepages") << before_ + pages;
    added_ = ReadPool("nr_hugepages") == before_ + pages;
  }
  MorePages(const MorePages&) = delete;
  MorePages& operator=(const MorePages&) = delete;
  ~MorePages() {
    std::ofstream(std::string(kPool) + "nr_hugepages") << before_;
    close(lock_);
  }
  [[nodiscard]] bool added() const { return added_; }

 private:
  int lock_;
  uint64_t before_ = 0;
  bool added_ = false;
};

constexpr const char* kNeedsPool = "needs the right to raise vm.nr_hugepages, and enough free memory";

// Slots that no pool has free, so that huge pages are refused.
uint32_t MoreSlotsThanFree() { return static_cast<uint32_t>(ReadPool("free_hugepages")) + kFirstSlots + 1; }

std::unique_ptr<Arena> MakeArena(uint32_t slots, HugePages wanted) {
  auto arena = Arena::Create(slots, wanted);
  EXPECT_TRUE(arena.has_value()) << arena.error().message;
  return arena ? *std::move(arena) : nullptr;
}

uint64_t ResidentPages(std::span<const std::byte> slot) {
  std::vector<unsigned char> resident(slot.size() / static_cast<size_t>(getpagesize()));
  EXPECT_EQ(mincore(const_cast<std::byte*>(slot.data()), slot.size(), resident.data()), 0);
  return static_cast<uint64_t>(std::ranges::count_if(resident, [](unsigned char page) { return (page & 1U) != 0; }));
}

MemoryLimit Limit(uint64_t bytes) { return {bytes, "cgroup /a/b"}; }

TEST(ChooseSlotCount, AnAskedSizeIsRoundedDownToSlots) {
  EXPECT_EQ(ChooseSlotCount(64 << 20, 0, Limit(1 << 30)), 32U);
  EXPECT_EQ(ChooseSlotCount((64 << 20) + 1, 0, Limit(1 << 30)), 32U);
  EXPECT_EQ(ChooseSlotCount((64 << 20) - 1, 0, Limit(1 << 30)), 31U);
  EXPECT_EQ(ChooseSlotCount(8 << 20, 0, Limit(1 << 30)), kMinSlots);
  EXPECT_EQ(ChooseSlotCount(1 << 30, 0, Limit(1 << 30)), 512U);
}

TEST(ChooseSlotCount, TooLittleIsRefused) {
  for (const uint64_t bytes : {0, 1, (8 << 20) - 1}) {
    const auto slots = ChooseSlotCount(bytes, 1 << 30, Limit(1 << 30));
    ASSERT_FALSE(slots.has_value()) << bytes;
    EXPECT_EQ(slots.error().code, ErrorCode::kInvalid);
  }
  EXPECT_EQ(ChooseSlotCount(4 << 20, 0, Limit(1 << 30)).error().message,
            "option 'cache_size=4M': less than 4 pages of 2 MiB; give at least 8M");
}

TEST(ChooseSlotCount, MoreThanTheLimitIsRefusedAndTheLimitNamed) {
  const auto slots = ChooseSlotCount(uint64_t{8} << 30, 0, Limit(uint64_t{2} << 30));
  ASSERT_FALSE(slots.has_value());
  EXPECT_EQ(slots.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(slots.error().message,
            "option 'cache_size=8G': more than the 2.0 GiB that this process may use (cgroup /a/b); give less");
  EXPECT_TRUE(ChooseSlotCount(100 << 20, 0, Limit(99 << 20)).error().message.contains("the 99.0 MiB that"));
  EXPECT_FALSE(ChooseSlotCount(~uint64_t{0}, 0, Limit(1 << 30)).has_value());
}

TEST(ChooseSlotCount, NoMachineGetsMoreThanTheLargestNumberOfSlots) {
  EXPECT_EQ(ChooseSlotCount(uint64_t{2} << 40, 0, Limit(~uint64_t{0})), kMaxSlots);
  EXPECT_FALSE(ChooseSlotCount((uint64_t{2} << 40) + kPageBytes, 0, Limit(~uint64_t{0})).has_value());
}

TEST(ChooseSlotCount, TheDefaultIsATenthOfTheLimitAndAtMostOneGibibyte) {
  constexpr uint64_t kAll = ~uint64_t{0};
  EXPECT_EQ(ChooseSlotCount({}, kAll, Limit(uint64_t{5} << 30)), 256U);
  EXPECT_EQ(ChooseSlotCount({}, kAll, Limit(uint64_t{10} << 30)), 512U);
  EXPECT_EQ(ChooseSlotCount({}, kAll, Limit(uint64_t{1} << 40)), 512U);
  EXPECT_EQ(ChooseSlotCount({}, kAll, Limit(1 << 20)), kMinSlots);
}

TEST(ChooseSlotCount, TheDefaultIsNotMoreThanIsUseful) {
  EXPECT_EQ(ChooseSlotCount({}, 20 << 20, Limit(uint64_t{10} << 30)), 10U);
  EXPECT_EQ(ChooseSlotCount({}, (20 << 20) + 1, Limit(uint64_t{10} << 30)), 11U);
  EXPECT_EQ(ChooseSlotCount({}, 0, Limit(uint64_t{10} << 30)), kMinSlots);
}

class ArenaOfKind : public testing::TestWithParam<HugePages> {};

INSTANTIATE_TEST_SUITE_P(Kinds, ArenaOfKind, testing::Values(HugePages::kHugetlb, HugePages::kThp, HugePages::kOff),
                         [](const auto& info) { return std::string(NameOf(kHugePagesNames, info.param)); });

TEST_P(ArenaOfKind, EverySlotIsAlignedWritableAndApart) {
  const MorePages pool(GetParam() == HugePages::kHugetlb ? 12 : 0);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(12, GetParam());
  ASSERT_NE(arena, nullptr);
  EXPECT_EQ(arena->huge(), GetParam());
  EXPECT_EQ(arena->slot_count(), 12U);
  ASSERT_EQ(arena->PopulateAll(), 12U);
  ASSERT_EQ(arena->populated(), 12U);
  for (uint32_t slot = 0; slot < 12; ++slot) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena->slot(slot).data()) % kPageBytes, 0U);
    std::ranges::fill(arena->slot(slot), std::byte{static_cast<unsigned char>(slot)});
  }
  for (uint32_t slot = 0; slot < 12; ++slot)
    EXPECT_EQ(std::ranges::count(arena->slot(slot), std::byte{static_cast<unsigned char>(slot)}), kPageBytes);
}

TEST_P(ArenaOfKind, TheFirstSlotsHaveMemoryAtOnceAndOthersWhenTheyAreAskedTo) {
  const MorePages pool(GetParam() == HugePages::kHugetlb ? 40 : 0);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const uint64_t whole = kPageBytes / static_cast<uint64_t>(getpagesize());
  const auto arena = MakeArena(40, GetParam());
  ASSERT_NE(arena, nullptr);
  EXPECT_EQ(arena->populated(), kFirstSlots);
  for (uint32_t slot = 0; slot < 40; ++slot) {
    EXPECT_EQ(arena->is_populated(slot), slot < kFirstSlots) << slot;
    EXPECT_EQ(ResidentPages({arena->base_of(slot), kPageBytes}), slot < kFirstSlots ? whole : 0) << slot;
  }
  OkOrDie(arena->Populate(17));
  OkOrDie(arena->Populate(17));
  EXPECT_TRUE(arena->is_populated(17));
  EXPECT_EQ(arena->populated(), kFirstSlots + 1);
  EXPECT_EQ(ResidentPages(arena->slot(17)), whole);
  EXPECT_EQ(ResidentPages({arena->base_of(16), kPageBytes}), 0U);
}

TEST_P(ArenaOfKind, AReleasedSlotGivesItsMemoryBackAndMayGetSomeAgain) {
  const MorePages pool(GetParam() == HugePages::kHugetlb ? 8 : 0);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(8, GetParam());
  ASSERT_NE(arena, nullptr);
  ASSERT_EQ(arena->PopulateAll(), 8U);
  for (uint32_t slot = 0; slot < 8; ++slot) std::ranges::fill(arena->slot(slot), std::byte{1});
  arena->Release(5);
  arena->Release(5);
  EXPECT_EQ(arena->populated(), 7U);
  EXPECT_FALSE(arena->is_populated(5));
  if (GetParam() != HugePages::kHugetlb) {  // whose free pages others take and give back meanwhile
    EXPECT_EQ(ResidentPages({arena->base_of(5), kPageBytes}), 0U);
  }
  OkOrDie(arena->Populate(5));
  EXPECT_EQ(arena->slot(5)[0], std::byte{0});
  EXPECT_EQ(arena->slot(4)[kPageBytes - 1], std::byte{1});
  EXPECT_EQ(arena->slot(6)[0], std::byte{1});
}

TEST_P(ArenaOfKind, AnArenaOfOneSlotIsPopulatedByCreate) {
  const MorePages pool(GetParam() == HugePages::kHugetlb ? 1 : 0);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(1, GetParam());
  ASSERT_NE(arena, nullptr);
  EXPECT_EQ(arena->populated(), 1U);
}

TEST_P(ArenaOfKind, IsNotInheritedAndNotDumped) {
  const MorePages pool(GetParam() == HugePages::kHugetlb ? 2 : 0);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(2, GetParam());
  ASSERT_NE(arena, nullptr);
  const std::string begin = fmt::format("{:x}-", reinterpret_cast<uintptr_t>(arena->slot(0).data()));
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  while (std::getline(smaps, line) && !line.starts_with(begin)) continue;
  while (std::getline(smaps, line) && !line.starts_with("VmFlags:")) continue;
  EXPECT_TRUE((line + " ").contains(" dc ")) << line;  // "do not copy area on fork", proc(5)
  EXPECT_TRUE((line + " ").contains(" dd ")) << line;  // "do not include area into core dump"
}

TEST(Arena, HugetlbPagesAreAllHuge) {
  const MorePages pool(13);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(10, HugePages::kHugetlb);
  const auto neighbour = MakeArena(3, HugePages::kHugetlb);
  ASSERT_TRUE(arena != nullptr && neighbour != nullptr);
  arena->PopulateAll();
  neighbour->PopulateAll();
  EXPECT_EQ(arena->CountHugeBytes(), 10 * kPageBytes);
  EXPECT_EQ(neighbour->CountHugeBytes(), 3 * kPageBytes);
  EXPECT_EQ(arena->Describe(), "20 MiB (10 slots) of huge pages (hugetlb)");
}

TEST(Arena, ThpAsksForHugePages) {
  const MorePages machine(0);
  std::ifstream file(kThpChoice);
  std::string choice;
  std::getline(file, choice);
  if (choice.empty() || choice.contains("[never]")) GTEST_SKIP() << "the machine has no transparent huge pages";
  const auto arena = MakeArena(16, HugePages::kThp);
  const auto neighbour = MakeArena(3, HugePages::kThp);  // the kernel must not merge them to one mapping
  ASSERT_TRUE(arena != nullptr && neighbour != nullptr);
  arena->PopulateAll();
  neighbour->PopulateAll();
  // The kernel decides for each; that it gives none at all would be our mistake, unless memory is in pieces.
  EXPECT_GT(arena->CountHugeBytes(), 0U);
  EXPECT_LE(arena->CountHugeBytes(), 16 * kPageBytes);
  EXPECT_GT(neighbour->CountHugeBytes(), 0U);
  EXPECT_LE(neighbour->CountHugeBytes(), 3 * kPageBytes);
  EXPECT_EQ(arena->Describe(), "32 MiB (16 slots) of transparent huge pages");
}

TEST(Arena, OffGetsNoHugePages) {
  const auto arena = MakeArena(16, HugePages::kOff);
  ASSERT_NE(arena, nullptr);
  arena->PopulateAll();
  EXPECT_EQ(arena->CountHugeBytes(), 0U);
  EXPECT_EQ(arena->Describe(), "32 MiB (16 slots) of 4 KiB pages");
}

TEST(Arena, HugetlbFromASmallPoolIsAnErrorThatNamesTheRemedy) {
  const MorePages machine(0);
  const auto arena = Arena::Create(MoreSlotsThanFree(), HugePages::kHugetlb);
  ASSERT_FALSE(arena.has_value());
  EXPECT_EQ(arena.error().code, ErrorCode::kSystem);
  EXPECT_EQ(arena.error().system_errno, ENOMEM);
  EXPECT_TRUE(arena.error().message.contains("vm.nr_hugepages")) << arena.error().message;
  EXPECT_TRUE(arena.error().message.contains(fmt::format("of {} pages", MoreSlotsThanFree())));
}

TEST(Arena, AutoTakesHugetlbWhereThePoolHasEnough) {
  const MorePages pool(10);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const auto arena = MakeArena(10, HugePages::kAuto);
  ASSERT_NE(arena, nullptr);
  EXPECT_EQ(arena->huge(), HugePages::kHugetlb);
}

TEST(Arena, AutoFallsBackAndTellsWhy) {
  const MorePages machine(0);
  const auto arena = MakeArena(MoreSlotsThanFree(), HugePages::kAuto);
  ASSERT_NE(arena, nullptr);
  EXPECT_TRUE(arena->huge() == HugePages::kThp || arena->huge() == HugePages::kOff);
  EXPECT_TRUE(arena->Describe().contains("; hugetlb: ")) << arena->Describe();
  EXPECT_TRUE(arena->Describe().contains(" pages free")) << arena->Describe();
}

TEST(Arena, AFileSizeLimitIsAnErrorAndNoSignal) {
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {kPageBytes, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto arena = Arena::Create(2, HugePages::kHugetlb);
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(arena.has_value());
  EXPECT_EQ(arena.error().system_errno, EFBIG);
}

// From now on the kernel answers madvise(MADV_POPULATE_WRITE) of this process with `error`.
void RefusePopulateWrite(unsigned error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {std::size(program), program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    std::_Exit(99);
}

// What a child process found out, on stderr.
[[noreturn]] void Tell(const std::string& text) {
  std::cerr << text << "\n";
  std::_Exit(0);
}

TEST(ArenaDeathTest, AKernelWithoutPopulateWriteGetsItsPagesTouched) {
  EXPECT_EXIT(
      {
        RefusePopulateWrite(EINVAL);
        const auto arena = Arena::Create(12, HugePages::kOff);
        if (!arena) Tell(arena.error().message);
        (*arena)->PopulateAll();
        Tell(fmt::format("{} slots, {} of the last one's bytes", (*arena)->populated(),
                         ResidentPages((*arena)->slot(11)) * static_cast<uint64_t>(getpagesize())));
      },
      testing::ExitedWithCode(0), "^12 slots, 2097152 of the last one's bytes\n$");
}

TEST(ArenaDeathTest, WithoutMemoryForTheFirstSlotsThereIsNoArena) {
  EXPECT_EXIT(
      {
        RefusePopulateWrite(EFAULT);
        const auto arena = Arena::Create(12, HugePages::kAuto);
        Tell(arena ? "an arena" : fmt::format("{}: {}", arena.error().system_errno, arena.error().message));
      },
      testing::ExitedWithCode(0), "^14: arena: slot 0 of 12: Bad address\n$");
}

TEST(ArenaDeathTest, AFailedCreateReturnsItsAddresses) {
  EXPECT_EXIT(
      {
        RefusePopulateWrite(EFAULT);
        for (int i = 0; i < 2000; ++i) {  // of 128 GiB each, together more than x86-64 has
          const auto arena = Arena::Create(kMaxSlots / 16, HugePages::kOff);
          if (arena || arena.error().system_errno != EFAULT) Tell(fmt::format("at {}", i));
        }
        Tell("all returned");
      },
      testing::ExitedWithCode(0), "^all returned\n$");
}

// A control group that allows some huge pages. The controller's group is made below our own; where the controller is of
// v2 and free, it is switched on for the groups below our own, and off again.
class HugePageGroup {
 public:
  explicit HugePageGroup(uint32_t pages) {
    std::string v1;
    std::string v2;
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
      if (const size_t at = line.find(":hugetlb:"); at != std::string::npos) v1 = line.substr(at + 9);
      if (line.starts_with("0::")) v2 = line.substr(3);
    }
    const std::string name = fmt::format("/quire_test_{}", getpid());
    if (!v1.empty()) {
      Make("/sys/fs/cgroup/hugetlb" + v1 + name, "/hugetlb.2MB.limit_in_bytes", pages);
      return;
    }
    const bool hybrid = std::filesystem::exists("/sys/fs/cgroup/unified/cgroup.procs");
    parent_ = (hybrid ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup") + v2;
    switched_ = !Text(parent_ + "/cgroup.subtree_control").contains("hugetlb");
    if (switched_) std::ofstream(parent_ + "/cgroup.subtree_control") << "+hugetlb";
    Make(parent_ + name, "/hugetlb.2MB.max", pages);
  }
  HugePageGroup(const HugePageGroup&) = delete;
  HugePageGroup& operator=(const HugePageGroup&) = delete;
  ~HugePageGroup() {
    if (!path_.empty()) rmdir(path_.c_str());
    if (switched_) std::ofstream(parent_ + "/cgroup.subtree_control") << "-hugetlb";
  }
  [[nodiscard]] bool is_made() const { return made_; }
  void Enter() const { std::ofstream(path_ + "/cgroup.procs") << getpid(); }

 private:
  static std::string Text(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  void Make(const std::string& path, const std::string& file, uint32_t pages) {
    if (mkdir(path.c_str(), 0755) != 0) return;
    path_ = path;
    std::ofstream(path + file) << pages * kPageBytes;
    made_ = Text(path + file) == fmt::format("{}\n", pages * kPageBytes);
  }

  std::string parent_;
  bool switched_ = false;
  std::string path_;
  bool made_ = false;
};

constexpr const char* kNeedsGroup = "needs root and the hugetlb controller";

TEST(ArenaDeathTest, AGroupsLimitOfHugePagesIsAnErrorOfTheSlotAndNoSignal) {
  const MorePages pool(16);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const HugePageGroup group(10);
  if (!group.is_made()) GTEST_SKIP() << kNeedsGroup;
  EXPECT_EXIT(
      {
        group.Enter();
        const auto arena = Arena::Create(16, HugePages::kHugetlb);
        if (!arena) Tell(arena.error().message);
        const uint32_t populated = (*arena)->PopulateAll();
        for (uint32_t slot = 0; slot < populated; ++slot) memset((*arena)->slot(slot).data(), 1, kPageBytes);
        Tell(fmt::format("{} of {}: {}", populated, (*arena)->slot_count(), (*arena)->Populate(10).error().message));
      },
      testing::ExitedWithCode(0), "^10 of 16: hugetlb: slot 10 of 16 [^\n]*\n$");
}

TEST(ArenaDeathTest, AutoFallsBackWhereAGroupAllowsTooFewHugePages) {
  const MorePages pool(16);
  if (!pool.added()) GTEST_SKIP() << kNeedsPool;
  const HugePageGroup group(3);
  if (!group.is_made()) GTEST_SKIP() << kNeedsGroup;
  EXPECT_EXIT(
      {
        group.Enter();
        const auto arena = Arena::Create(16, HugePages::kAuto);
        Tell(arena ? (*arena)->Describe() : arena.error().message);
      },
      testing::ExitedWithCode(0), "^32 MiB [^\n]*; hugetlb: slot 3 of 16 [^\n]*\n$");
}

TEST(Arena, WhereTransparentHugePagesAreOffAutoTakesSmallPagesAndTellsIt) {
  const MorePages machine(0);
  std::ifstream file(kThpChoice);
  std::string choices;
  std::getline(file, choices);
  const size_t begin = choices.find('[') + 1;
  const std::string before = choices.substr(begin, choices.find(']') - begin);
  if (!(std::ofstream(kThpChoice) << "never" << std::flush)) GTEST_SKIP() << "needs root";
  const auto arena = MakeArena(MoreSlotsThanFree(), HugePages::kAuto);
  const auto asked = MakeArena(1, HugePages::kThp);
  std::ofstream(kThpChoice) << before;
  ASSERT_TRUE(arena != nullptr && asked != nullptr);
  EXPECT_EQ(arena->huge(), HugePages::kOff);
  EXPECT_TRUE(arena->Describe().contains("; transparent huge pages: not enabled")) << arena->Describe();
  EXPECT_EQ(asked->huge(), HugePages::kThp);
  EXPECT_EQ(asked->Describe(), "2 MiB (1 slots) of transparent huge pages; transparent huge pages: not enabled");
}

}  // namespace
}  // namespace quire
