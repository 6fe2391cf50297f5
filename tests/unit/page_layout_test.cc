// SPDX-License-Identifier: Apache-2.0
// Goal: pages are filled to the last percent, and no extent crosses or overlaps, whatever the sizes.
#include "format/write/page_layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class PageLayoutTest : public testing::Test {
 protected:
  uint64_t LayOut(const std::vector<uint64_t>& sizes) {
    PageLayout layout(tables_, file_offsets_);
    for (const uint64_t size : sizes) {
      const NodeKind kind = size > kPageBytes ? NodeKind::kSegmented : NodeKind::kFile;
      const NodeNumber node = ValueOrDie(tables_.AddNode({.size_bytes = size, .kind = kind}, "n"));
      const DataRange all{.offset = 0, .length_bytes = size};
      OkOrDie(layout.Add(node, std::span(&all, 1)));
    }
    return ValueOrDie(layout.Finish());
  }

  // Every byte of every sample has exactly one place, and the places are legal.
  void ExpectSound(const std::vector<uint64_t>& sizes, uint64_t data_end) {
    std::vector<uint64_t> placed(sizes.size());
    uint64_t end = kDataBegin;
    for (ExtentNumber e = 0; e < tables_.extents.size(); ++e) {
      const Extent& extent = tables_.extents[e];
      ASSERT_GE(extent.offset, end) << e;
      ASSERT_EQ(extent.offset % kExtentAlign, 0U) << e;
      ASSERT_LE(extent.offset % kPageBytes + extent.length_bytes, kPageBytes) << e;
      end = extent.offset + extent.length_bytes;
      placed[extent.node] += extent.length_bytes;
    }
    EXPECT_LE(end, data_end);
    EXPECT_EQ(placed, sizes);
    for (NodeNumber n = 0; n < sizes.size(); ++n) {
      if (sizes[n] == 0) continue;
      const Node& node = tables_.nodes[n];
      const ExtentNumber first =
          node.kind == NodeKind::kFile ? node.content : tables_.segments[node.content].first_extent;
      EXPECT_EQ(tables_.extents[first].node, n);
      EXPECT_EQ(file_offsets_[first], 0U);
    }
  }

  double Waste(const std::vector<uint64_t>& sizes) {
    uint64_t bytes = 0;
    for (const uint64_t size : sizes) bytes += size;
    const uint64_t data_end = LayOut(sizes);
    ExpectSound(sizes, data_end);
    return 1 - static_cast<double>(bytes) / static_cast<double>(data_end - kDataBegin);
  }

  TemporaryFolder folder_;
  IndexTables tables_{folder_.path()};
  Spool<uint64_t> file_offsets_{folder_.path()};
};

std::vector<uint64_t> LogNormal(size_t count, double median, double sigma) {
  std::mt19937_64 generator(1);
  std::lognormal_distribution<double> sizes(std::log(median), sigma);
  std::vector<uint64_t> drawn;
  while (drawn.size() < count) drawn.push_back(static_cast<uint64_t>(sizes(generator)) + 1);
  return drawn;
}

TEST_F(PageLayoutTest, MoreThanAPackHoldsIsAnErrorBeforeItHasExtents) {
  PageLayout layout(tables_, file_offsets_);
  const DataRange all{.offset = 0, .length_bytes = kMaxVolumeBytes};
  const Node node{.size_bytes = all.length_bytes, .kind = NodeKind::kSegmented};
  OkOrDie(layout.Add(ValueOrDie(tables_.AddNode(node, "n")), std::span(&all, 1)));
  const auto end = layout.Finish();
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(tables_.extents.empty());
}

TEST_F(PageLayoutTest, EverySizeAroundAPageIsPlacedWhole) {
  const std::vector<uint64_t> sizes = {0,
                                       1,
                                       kPageBytes - kDataBegin,
                                       kPageBytes - kDataBegin + 1,
                                       kPageBytes - 1,
                                       kPageBytes,
                                       kPageBytes + 1,
                                       2 * kPageBytes,
                                       2 * kPageBytes + 4095,
                                       5,
                                       10 * kPageBytes - 1};
  ExpectSound(sizes, LayOut(sizes));
}

TEST_F(PageLayoutTest, NoSamplesTakeNoPages) { EXPECT_EQ(LayOut({}), kDataBegin); }

TEST_F(PageLayoutTest, EmptySamplesTakeNoPages) { EXPECT_EQ(LayOut({0, 0, 0}), kDataBegin); }

TEST_F(PageLayoutTest, TinySamplesWasteLessThanOnePercent) { EXPECT_LT(Waste(LogNormal(70'000, 500, 0.3)), 0.01); }

TEST_F(PageLayoutTest, ImageSamplesWasteLessThanOnePercent) { EXPECT_LT(Waste(LogNormal(20'000, 100'000, 0.5)), 0.01); }

TEST_F(PageLayoutTest, SamplesOfAPageAndAHalfShareTheirLastPages) {
  EXPECT_LT(Waste(LogNormal(2'000, 3'000'000, 0.2)), 0.05);
}

class PageLayoutOfOneSizeTest : public PageLayoutTest, public testing::WithParamInterface<uint64_t> {};

// Nothing else fits into the gaps that they leave, so samples are cut there.
TEST_P(PageLayoutOfOneSizeTest, WastesLessThanFourPercent) {
  EXPECT_LT(Waste(std::vector<uint64_t>(500, GetParam())), 0.04);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PageLayoutOfOneSizeTest,
                         testing::Values(150'000, 600'000, 700'000, 1'100'000, 2'000'000));

TEST_F(PageLayoutTest, ACutSampleHasTwoSegmentsInTwoPages) {
  LayOut({1'500'000, 1'500'000});
  const Node& cut = tables_.nodes[1];
  ASSERT_EQ(cut.kind, NodeKind::kSegmented);
  const Segment& front = tables_.segments[cut.content];
  const Segment& rest = tables_.segments[cut.content + 1];
  EXPECT_EQ(front.following, 1U);
  EXPECT_EQ(rest.file_offset, front.length_bytes);
  EXPECT_EQ(front.length_bytes + rest.length_bytes, 1'500'000U);
  EXPECT_EQ(front.length_bytes % 4096, 0U) << "either part fills pages of the kernel's";
  EXPECT_GT(tables_.extents[front.first_extent].offset % kPageBytes + front.length_bytes, kPageBytes - 4096);
  EXPECT_EQ(tables_.extents[rest.first_extent].offset, kPageBytes);
  EXPECT_EQ(file_offsets_[rest.first_extent], front.length_bytes);
}

TEST_F(PageLayoutTest, SmallSamplesKeepTheirOrderWithinAPage) {
  LayOut(std::vector<uint64_t>(100'000, 3000));
  uint64_t out_of_order = 0;
  for (ExtentNumber e = 1; e < tables_.extents.size(); ++e)
    out_of_order += tables_.extents[e].node < tables_.extents[e - 1].node ? 1 : 0;
  EXPECT_EQ(out_of_order, 0U);
}

}  // namespace
}  // namespace quire
