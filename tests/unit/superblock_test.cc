// Goal: no damaged superblock is accepted, and the byte layout never drifts.
// Method: pin the leading bytes, then refuse every one-bit flip, every truncation, and every insane field with a good
// sum.
#include "format/superblock.h"

#include <gtest/gtest.h>

#include <functional>

#include "format/block_tree.h"
#include "format/checksum.h"
#include "format/coding.h"
#include "format/geometry.h"

namespace quire {
namespace {

Superblock Sample() {
  Superblock s;
  s.generation = 1;
  s.index_offset = 12288;
  s.body_bytes = 640;
  s.index_bytes = BlockTreeGeometry(s.body_bytes).total_bytes;
  s.root_sum = 0x1122334455667788;
  s.pack_bytes = s.index_offset + s.index_bytes;
  s.samples = 3;
  s.order = PackOrder::kShuffle;
  s.order_seed = 42;
  const std::array<uint64_t, kSectionCount> bytes = {64, 32, 24, 96, 24, 0, 8, 5, 0};
  uint64_t offset = 0;
  for (size_t i = 0; i < kSectionCount; ++i) {
    s.sections[i] = {offset, bytes[i]};
    offset = AlignUp(offset + bytes[i], kSectionAlign);
  }
  return s;
}

std::array<std::byte, kSuperblockBytes> Encoded(const Superblock& superblock) {
  std::array<std::byte, kSuperblockBytes> slot = {};
  EncodeSuperblock(superblock, slot);
  return slot;
}

TEST(Superblock, ComesBackAsItWasWritten) { EXPECT_EQ(DecodeSuperblock(Encoded(Sample())).value(), Sample()); }

TEST(Superblock, LeadingBytesAreThoseOfTheFormat) {
  const auto slot = Encoded(Sample());
  EXPECT_EQ(AsText(std::span(slot).first(8)), std::string_view("\x89QUIRE\n\x1a", 8));
  EXPECT_EQ(LoadUint<2>(slot, 8), 1U);
  EXPECT_EQ(LoadUint<8>(slot, 16), 1U);
  EXPECT_EQ(LoadUint<8>(slot, 24), 12288U);
  EXPECT_EQ(LoadUint<4>(slot, 120), 2U);
  EXPECT_EQ(LoadUint<8>(slot, 4088), Xxh3(std::span(slot).first(4088)));
}

TEST(Superblock, EveryOneBitFlipIsRefused) {
  for (size_t bit = 0; bit < kSuperblockBytes * 8; ++bit) {
    auto slot = Encoded(Sample());
    slot[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(DecodeSuperblock(slot).has_value()) << "bit " << bit;
  }
}

TEST(Superblock, EveryTruncationIsRefused) {
  const auto slot = Encoded(Sample());
  for (size_t bytes = 0; bytes < kSuperblockBytes; ++bytes)
    EXPECT_FALSE(DecodeSuperblock(std::span(slot).first(bytes)).has_value()) << bytes;
}

TEST(Superblock, AFileOfAnotherKindIsNamedSoWhateverItsSize) {
  for (const size_t bytes : {0, 3, 8, 4096}) {
    const std::vector<std::byte> text(bytes, std::byte{'x'});
    EXPECT_TRUE(DecodeSuperblock(text).error().message.contains("not a Quire pack")) << bytes;
  }
  const auto slot = Encoded(Sample());
  EXPECT_TRUE(DecodeSuperblock(std::span(slot).first(8)).error().message.contains("truncated"));
}

TEST(Superblock, AnotherMajorVersionIsUnsupportedAndNamed) {
  auto slot = Encoded(Sample());
  StoreUint<2>(slot, 8, 2);
  const auto decoded = DecodeSuperblock(slot);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(decoded.error().message.find("format 2.0"), std::string::npos) << decoded.error().message;
}

TEST(Superblock, AnUnknownRequiredFeatureIsUnsupported) {
  auto slot = Encoded(Sample());
  StoreUint<4>(slot, 12, 4);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kUnsupported);
}

TEST(Superblock, AHigherMinorVersionIsRead) {
  auto slot = Encoded(Sample());
  StoreUint<2>(slot, 10, 7);
  StoreUint<8>(slot, 4088, Xxh3(std::span(slot).first(4088)));
  EXPECT_EQ(DecodeSuperblock(slot).value().minor, 7U);
}

TEST(Superblock, InsaneFieldsWithAGoodSumAreRefused) {
  const std::vector<std::function<void(Superblock&)>> insanities = {
      [](Superblock& s) { s.generation = 0; },
      [](Superblock& s) { s.index_offset += 1; },
      [](Superblock& s) { s.index_offset = 4096; },
      [](Superblock& s) { s.index_offset = UINT64_MAX - 4095; },
      [](Superblock& s) { s.pack_bytes = UINT64_MAX; },
      [](Superblock& s) { s.pack_bytes -= 1; },
      [](Superblock& s) { s.index_bytes += 8; },
      [](Superblock& s) { s.body_bytes = 0; },
      [](Superblock& s) { s.body_bytes = UINT64_MAX; },
      [](Superblock& s) { s.sections[3].bytes -= 1; },
      [](Superblock& s) { s.sections[3].bytes = 0; },
      [](Superblock& s) { s.sections[3].offset += 1; },
      [](Superblock& s) { s.sections[7].bytes = UINT64_MAX; },
      [](Superblock& s) { s.sections[8].offset = UINT64_MAX - 63; },
      [](Superblock& s) { std::swap(s.sections[0], s.sections[3]); },
  };
  for (size_t i = 0; i < insanities.size(); ++i) {
    Superblock superblock = Sample();
    insanities[i](superblock);
    const auto decoded = DecodeSuperblock(Encoded(superblock));
    ASSERT_FALSE(decoded.has_value()) << "case " << i;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << "case " << i;
  }
}

}  // namespace
}  // namespace quire
