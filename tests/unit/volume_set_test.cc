// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/volume_set.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cache/volume/volume_source.h"
#include "format/growth/growing_pack.h"
#include "format/pack/geometry.h"
#include "format/pack/pack.h"
#include "format/pack/records.h"
#include "format/rounding.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// Keeps what it is asked for.
class KeepingSource final : public VolumeSource {
 public:
  KeepingSource(uint32_t request_bytes, uint32_t depth, uint32_t alignment_bytes)
      : request_bytes_(request_bytes), depth_(depth), alignment_bytes_(alignment_bytes) {}
  void Submit(VolumeRead* first) override {
    for (; first != nullptr; first = first->next) offsets.push_back(first->offset);
  }
  [[nodiscard]] uint32_t request_bytes() const override { return request_bytes_; }
  [[nodiscard]] uint32_t depth() const override { return depth_; }
  [[nodiscard]] uint32_t alignment_bytes() const override { return alignment_bytes_; }
  [[nodiscard]] std::string Describe() const override { return "keeps"; }

  std::vector<uint64_t> offsets;

 private:
  const uint32_t request_bytes_;
  const uint32_t depth_;
  const uint32_t alignment_bytes_;
};

// Three pages, nothing, and one and a bit.
class VolumeSetTest : public testing::Test {
 protected:
  KeepingSource pack_{256 << 10, 8, 512};
  KeepingSource empty_{64 << 10, 4, 1};
  KeepingSource remote_{1 << 20, 64, 1};
  const std::array<Volume, 3> records_ = {{{.data_begin = 8192, .data_end = 2 * kPageBytes + 100},
                                           {.data_begin = 0, .data_end = 0},
                                           {.data_begin = 512, .data_end = kPageBytes + 1}}};
  const VolumeSet volumes_{records_, std::array<VolumeSource*, 3>{&pack_, &empty_, &remote_}};
};

TEST_F(VolumeSetTest, PagesOfAllVolumesAreOneRow) {
  EXPECT_EQ(volumes_.page_count(), 5U);
  EXPECT_EQ(volumes_.FindPage({.offset = 2 * kPageBytes + 8, .volume = 0}), 2U);
  EXPECT_EQ(volumes_.FindPage({.offset = 512, .volume = 2}), 3U);
  EXPECT_EQ(volumes_.PageOf({.offset = kPageBytes, .volume = 2}).value(), 4U);
}

TEST_F(VolumeSetTest, TheRowIsSpansOfVolumes) {
  using Spans = std::vector<VolumeSet::Span>;
  const auto spans_of = [](const VolumeSet& volumes) { return Spans(volumes.spans().begin(), volumes.spans().end()); };
  EXPECT_EQ(spans_of(volumes_),
            (Spans{{.volume = 0, .first = 0, .count = 3, .number = 0, .data_end = records_[0].data_end},
                   {.volume = 2, .first = 3, .count = 2, .number = 0, .data_end = records_[2].data_end}}));
  // Data that begins behind the first pages of its volume.
  const std::array<Volume, 1> late = {{{.data_begin = 4 * kPageBytes + 1, .data_end = 6 * kPageBytes}}};
  const VolumeSet volumes(late, std::array<VolumeSource*, 1>{&pack_});
  EXPECT_EQ(spans_of(volumes), (Spans{{.volume = 0, .first = 0, .count = 2, .number = 4, .data_end = 6 * kPageBytes}}));
  EXPECT_EQ(volumes.At(0).number, 4U);
}

// Of a real pack, since a set grows by the records of one.
TEST(GrowingVolumeSetTest, PagesOfALaterGenerationStandBehindAllOthers) {
  const TemporaryFolder folder;
  const std::string path = folder / "p.quire";
  MemoryTree tree;
  tree.AddFile("a", std::string(5000, 'a'));
  tree.WriteTo(path);
  const auto pack = ValueOrDie(Pack::Open(path));
  pack->OpenVolumes({});
  KeepingSource source(256 << 10, 8, 512);
  VolumeSet volumes(*pack, source);
  ASSERT_EQ(volumes.page_count(), 1U);
  const VolumeSet::Page before = volumes.At(0);
  {
    const auto growing = ValueOrDie(GrowingPack::Open(path));
    const uint64_t begin = AlignUp(growing->places().begin, kPageBytes);
    IndexTables tables(folder.path());
    OkOrDie(tables.extents.Append({.offset = begin, .length_bytes = 100, .node = 1}));
    Superblock counts = growing->pack().superblock();
    counts.directories = counts.tree_directories();
    counts.stored_bytes = 0;
    counts.sections = {};
    ValueOrDie(growing->Commit(tables, {.data_begin = begin, .data_end = begin + kPageBytes + 1}, counts));
  }
  const auto later = ValueOrDie(pack->FindLater());
  OkOrDie(pack->OpenVolumesOf(*later));
  EXPECT_EQ(volumes.Grow(*pack, *later, 2).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(volumes.page_count(), 1U);
  OkOrDie(volumes.Grow(*pack, *later, 3));
  EXPECT_EQ(volumes.page_count(), 3U);
  EXPECT_EQ(volumes.At(0).end, before.end);
  EXPECT_EQ(volumes.FindPage({.offset = before.begin}), 0U);
  EXPECT_EQ(volumes.FindPage({.offset = kPageBytes}), 1U);
  EXPECT_EQ(volumes.FindPage({.offset = 2 * kPageBytes}), 2U);
  EXPECT_EQ(volumes.At(1).begin, kPageBytes);
  EXPECT_EQ(volumes.At(2).end, 2 * kPageBytes + 1);
}

TEST_F(VolumeSetTest, APageKnowsItsVolumeAndItsData) {
  const auto first = volumes_.At(0);
  EXPECT_EQ(first.volume, 0U);
  EXPECT_EQ(first.begin, 8192U);
  EXPECT_EQ(first.end, kPageBytes);
  const auto last = volumes_.At(2);
  EXPECT_EQ(last.volume, 0U);
  EXPECT_EQ(last.number, 2U);
  EXPECT_EQ(last.end, 2 * kPageBytes + 100);
  // Not of the empty volume, which begins at the same page of the row.
  const auto other = volumes_.At(3);
  EXPECT_EQ(other.volume, 2U);
  EXPECT_EQ(other.number, 0U);
  EXPECT_EQ(other.begin, 512U);
  EXPECT_EQ(volumes_.At(4).end, kPageBytes + 1);
}

// The volume of an index itself, in which nothing lies, and one whose data begins far behind its start.
TEST(VolumeSet, EachPageHasData) {
  KeepingSource source{256 << 10, 8, 512};
  const std::array<Volume, 4> records = {{{.data_begin = 8192, .data_end = 8192},
                                          {.data_begin = 10 * kPageBytes + 5, .data_end = 12 * kPageBytes},
                                          {.data_begin = 5 * kPageBytes, .data_end = 5 * kPageBytes},
                                          {.data_end = 1}}};
  const VolumeSet volumes(records, std::array<VolumeSource*, 4>{&source, &source, &source, &source});
  ASSERT_EQ(volumes.page_count(), 3U);
  for (uint64_t page = 0; page < volumes.page_count(); ++page) {
    const auto place = volumes.At(page);
    EXPECT_LT(place.begin, place.end) << page;
    EXPECT_EQ(volumes.FindPage({.offset = place.begin, .volume = place.volume}), page);
    EXPECT_EQ(volumes.FindPage({.offset = place.end - 1, .volume = place.volume}), page);
  }
  EXPECT_EQ(volumes.At(0).number, 10U);
  EXPECT_EQ(volumes.At(2).volume, 3U);
}

TEST_F(VolumeSetTest, AnExtentOfAVolumeWithoutSourceIsUnsupported) {
  EXPECT_FALSE(volumes_.FindPage({.volume = 3}));
  const auto page = volumes_.PageOf({.volume = 3});
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(page.error().message, "volume 3 is not open");
}

TEST_F(VolumeSetTest, EachReadGoesToItsSourceInOrder) {
  std::array<VolumeRead, 5> reads;
  constexpr std::array<uint16_t, 5> kVolumes = {2, 0, 2, 2, 0};
  for (size_t i = 0; i < reads.size(); ++i) {
    reads[i].volume = kVolumes[i];
    reads[i].offset = i;
    if (i > 0) reads[i - 1].next = &reads[i];
  }
  volumes_.Submit(reads.data());
  EXPECT_EQ(pack_.offsets, (std::vector<uint64_t>{1, 4}));
  EXPECT_TRUE(empty_.offsets.empty());
  EXPECT_EQ(remote_.offsets, (std::vector<uint64_t>{0, 2, 3}));
}

TEST_F(VolumeSetTest, SuitsAllSources) {
  EXPECT_EQ(volumes_.alignment_bytes(), 512U);
  EXPECT_EQ(volumes_.request_bytes(), 1U << 20);
  EXPECT_EQ(volumes_.depth(), 64U);
}

}  // namespace
}  // namespace quire
