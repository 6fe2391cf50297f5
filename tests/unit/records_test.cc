// SPDX-License-Identifier: Apache-2.0
// Goal: records come back as they were written, with every field at its place in FORMAT.md.
#include "format/pack/records.h"

#include <gtest/gtest.h>

#include "format/checksum.h"
#include "format/coding.h"

namespace quire {
namespace {

TEST(Records, NodeFieldsLieWhereTheFormatSaysAndTakeAllTheirBits) {
  const Node node{.mtime = 0x0102030405060708,
                  .size_bytes = 0x1112131415161718,
                  .attributes = 0x21222324,
                  .name_offset = 0x3132333435,
                  .name_bytes = 0x41,
                  .kind = NodeKind::kSymlink,
                  .content = 0x5152535455};
  std::array<std::byte, 32> record = {};
  Encode(node, record);
  EXPECT_EQ(LoadUint<4>(record, 16), 0x21222324U);
  EXPECT_EQ(LoadUint<5>(record, 20), 0x3132333435U);
  EXPECT_EQ(LoadUint<1>(record, 25), 0x41U);
  EXPECT_EQ(LoadUint<1>(record, 26), 4U);
  EXPECT_EQ(LoadUint<5>(record, 27), 0x5152535455U);
  const Node back = DecodeNode(record);
  EXPECT_EQ(back.mtime, node.mtime);
  EXPECT_EQ(back.size_bytes, node.size_bytes);
  EXPECT_EQ(back.attributes, node.attributes);
  EXPECT_EQ(back.name_offset, node.name_offset);
  EXPECT_EQ(back.name_bytes, node.name_bytes);
  EXPECT_EQ(back.kind, node.kind);
  EXPECT_EQ(back.content, node.content);
}

TEST(Records, ExtentFieldsLieWhereTheFormatSaysAndTakeAllTheirBits) {
  const Extent extent{.offset = 0x010203040506,
                      .volume = 0x1112,
                      .length_bytes = 0x212223,
                      .node = 0x3132333435,
                      .sum = 0x4142434445464748};
  std::array<std::byte, 24> record = {};
  Encode(extent, record);
  EXPECT_EQ(LoadUint<6>(record, 0), 0x010203040506U);
  EXPECT_EQ(LoadUint<5>(record, 11), 0x3132333435U);
  const Extent back = DecodeExtent(record);
  EXPECT_EQ(back.offset, extent.offset);
  EXPECT_EQ(back.volume, extent.volume);
  EXPECT_EQ(back.length_bytes, extent.length_bytes);
  EXPECT_EQ(back.node, extent.node);
  EXPECT_EQ(back.sum, extent.sum);
}

TEST(Records, VolumesOtherThanThePackComeBackWhole) {
  const Volume volume{.kind = VolumeKind::kUrl,
                      .identity_kind = IdentityKind::kXxh3OfEtag,
                      .sum_kind = SumKind::kCrc32,
                      .location_bytes = 4,
                      .location_offset = 5,
                      .data_begin = 6,
                      .data_end = 7,
                      .identity = {9, 10}};
  std::array<std::byte, 64> record = {};
  Encode(volume, record);
  const Volume back = DecodeVolume(record);
  EXPECT_EQ(back.kind, VolumeKind::kUrl);
  EXPECT_EQ(back.identity_kind, IdentityKind::kXxh3OfEtag);
  EXPECT_EQ(back.location_bytes, 4U);
  EXPECT_EQ(back.location_offset, 5U);
  EXPECT_EQ(back.data_begin, 6U);
  EXPECT_EQ(back.data_end, 7U);
  EXPECT_EQ(back.sum_kind, SumKind::kCrc32);
  EXPECT_EQ(back.identity, (std::array<uint64_t, 2>{9, 10}));
}

TEST(Mtime, KeepsNanosecondsBefore1970AndAfter2262) {
  for (const int64_t seconds :
       {int64_t{-2147483648}, int64_t{-1}, int64_t{0}, int64_t{2147483648}, int64_t{15032385535}}) {
    const timespec time{.tv_sec = seconds, .tv_nsec = 123456789};
    EXPECT_TRUE(MtimeFits(time));
    const timespec back = DecodeMtime(EncodeMtime(time));
    EXPECT_EQ(back.tv_sec, seconds);
    EXPECT_EQ(back.tv_nsec, 123456789);
  }
}

TEST(Mtime, ClampsWhatTheFormatCannotHold) {
  EXPECT_FALSE(MtimeFits({.tv_sec = -2147483649, .tv_nsec = 0}));
  EXPECT_EQ(DecodeMtime(EncodeMtime({.tv_sec = -9999999999, .tv_nsec = 0})).tv_sec, -2147483648);
  EXPECT_FALSE(MtimeFits({.tv_sec = int64_t{1} << 40, .tv_nsec = 0}));
}

// The vectors of the xxHash project's own sanity test for XXH3-64 with seed 0.
TEST(Checksum, IsXxh3OfTheDefaultSecretAndSeedZero) {
  EXPECT_EQ(Xxh3({}), 0x2D06800538D394C2U);
  EXPECT_EQ(Xxh3(AsBytes("a")), 0xE6C632B61E964E1FU);
  EXPECT_EQ(Xxh3(AsBytes("abc")), 0x78AF5F94892F3950U);
}

}  // namespace
}  // namespace quire
