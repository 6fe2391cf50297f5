// SPDX-License-Identifier: Apache-2.0
// Goal: a page of the kernel's that comes in parts, in any order and by any thread, is given back once, when it is
// whole, with the bytes of all parts; and what never becomes whole neither grows nor is given back.
#include "fs/feed/seam_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr NodeNumber kNode = 3;
constexpr uint64_t kOffset = 5 * kKernelPageBytes;  // of the seam, in its file

class SeamTableTest : public testing::Test {
 protected:
  // What the table gives back for bytes [begin, end) of the seam.
  std::string Add(size_t begin, size_t end, size_t page_bytes = kKernelPageBytes, NodeNumber node = kNode,
                  uint64_t offset = kOffset) {
    std::array<std::byte, kKernelPageBytes> seam;
    const auto part = std::as_bytes(std::span(content_)).subspan(begin, end - begin);
    const size_t length = table_.Add(node, offset + begin, part, page_bytes, seam);
    return {reinterpret_cast<const char*>(seam.data()), length};
  }

  const std::string content_ = Noise(kKernelPageBytes, 1);
  static constexpr uint64_t kPages = 1024;
  SeamTable table_{kPages};
};

TEST_F(SeamTableTest, TwoPartsMakeASeamInEitherOrder) {
  EXPECT_EQ(Add(0, 512), "");
  EXPECT_TRUE(Add(512, 4096) == content_);
  EXPECT_EQ(Add(512, 4096), "") << "it was given back";
  EXPECT_TRUE(Add(0, 512) == content_);
}

TEST_F(SeamTableTest, ThreePartsMakeASeam) {
  EXPECT_EQ(Add(1000, 2000), "");
  EXPECT_EQ(Add(0, 1000), "");
  EXPECT_TRUE(Add(2000, 4096) == content_);
}

TEST_F(SeamTableTest, TheLastPageOfAFileEndsWithTheFile) {
  EXPECT_EQ(Add(0, 1000, 1500), "");
  EXPECT_TRUE(Add(1000, 1500, 1500) == content_.substr(0, 1500));
}

TEST_F(SeamTableTest, APartThatComesTwiceCountsOnce) {
  EXPECT_EQ(Add(0, 2048), "");
  EXPECT_EQ(Add(0, 2048), "");
  EXPECT_TRUE(Add(2048, 4096) == content_);
}

TEST_F(SeamTableTest, PartsThatDoNotMeetAreNoSeam) {
  EXPECT_EQ(Add(0, 1000), "");
  EXPECT_EQ(Add(3000, 4096), "") << "there is a gap between them";
  EXPECT_EQ(Add(0, 2000), "");
  EXPECT_TRUE(Add(2000, 4096) == content_);
}

TEST_F(SeamTableTest, SeamsOfOtherNodesAndPlacesAreOthers) {
  EXPECT_EQ(Add(0, 512), "");
  EXPECT_EQ(Add(512, 4096, kKernelPageBytes, kNode + 1), "");
  EXPECT_EQ(Add(512, 4096, kKernelPageBytes, kNode, kOffset + kKernelPageBytes), "");
  EXPECT_TRUE(Add(512, 4096) == content_);
}

TEST_F(SeamTableTest, TheFirstNodesFirstPageIsASeamLikeOthers) {
  EXPECT_EQ(Add(512, 4096, kKernelPageBytes, 0, 0), "");
  EXPECT_TRUE(Add(0, 512, kKernelPageBytes, 0, 0) == content_);
}

TEST_F(SeamTableTest, OfMoreSeamsThanItHoldsTheOldestAreGivenUp) {
  constexpr NodeNumber kKept = 3 * kPages;
  for (NodeNumber node = 0; node < kKept; ++node) Add(0, 512, kKernelPageBytes, node);
  std::vector<NodeNumber> whole;
  for (NodeNumber node = kKept; node-- > 0;)
    if (Add(512, 4096, kKernelPageBytes, node) == content_) whole.push_back(node);
  EXPECT_TRUE(std::ranges::all_of(whole, [](NodeNumber node) { return node >= kKept / 2; }));
  EXPECT_GE(whole.size(), kPages * 3 / 4);
  EXPECT_LE(whole.size(), kPages);
}

// As many as wait at the worst moment of an epoch in random order.
TEST_F(SeamTableTest, HalfAsManyAsPagesAreKept) {
  for (NodeNumber node = 0; node < kPages / 2; ++node) Add(0, 512, kKernelPageBytes, 19 * node);
  size_t whole = 0;
  for (NodeNumber node = 0; node < kPages / 2; ++node)
    whole += Add(512, 4096, kKernelPageBytes, 19 * node) == content_ ? 1 : 0;
  EXPECT_GE(whole, kPages / 2 * 9 / 10);
}

TEST(SeamTableMemoryTest, ATableOfNoOrOfManyPagesIsOne) {
  std::array<std::byte, kKernelPageBytes> seam;
  const std::array<std::byte, 512> part = {};
  for (const uint64_t pages : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 40}) {
    SeamTable table(pages);
    EXPECT_EQ(table.Add(1, 0, part, 1024, seam), 0U);
    EXPECT_EQ(table.Add(1, 512, part, 1024, seam), 1024U);
  }
}

TEST_F(SeamTableTest, OfTwoThreadsThatBringTheTwoPartsOneGetsTheSeam) {
  constexpr NodeNumber kSeamsMade = 10'000;
  std::atomic<int> whole = 0;
  {
    std::array<std::jthread, 2> threads;
    for (const bool is_head : {true, false}) {
      threads[is_head ? 0 : 1] = std::jthread([&, is_head] {
        for (NodeNumber node = 0; node < kSeamsMade; ++node) {
          const std::string seam =
              is_head ? Add(0, 512, kKernelPageBytes, node) : Add(512, 4096, kKernelPageBytes, node);
          if (seam.empty()) continue;
          EXPECT_TRUE(seam == content_);
          ++whole;
        }
      });
    }
  }
  EXPECT_LE(whole, int{kSeamsMade});
  EXPECT_TRUE(Add(0, 512).empty());
  EXPECT_TRUE(Add(512, 4096) == content_) << "the table is as it was";
}

TEST(WholeKernelPagesTest, AreThoseThatTheRangeHoldsAllOf) {
  const auto is = [](uint64_t begin, uint64_t end, bool is_end, FileRange expected) {
    const FileRange whole = WholeKernelPages(begin, end, is_end);
    return expected.is_empty() ? whole.is_empty() : whole.begin == expected.begin && whole.end == expected.end;
  };
  EXPECT_TRUE(is(0, 8192, false, {0, 8192}));
  EXPECT_TRUE(is(512, 9000, false, {4096, 8192}));
  EXPECT_TRUE(is(512, 9000, true, {4096, 9000}));
  EXPECT_TRUE(is(0, 100, true, {0, 100}));
  EXPECT_TRUE(is(0, 100, false, {}));
  EXPECT_TRUE(is(512, 3000, true, {}));
  EXPECT_TRUE(is(512, 5000, false, {}));
}

}  // namespace
}  // namespace quire
