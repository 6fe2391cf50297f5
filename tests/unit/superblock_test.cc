// SPDX-License-Identifier: Apache-2.0
// Goal: no damaged superblock is accepted, and the byte layout never drifts.
// Method: pin the leading bytes, then refuse every one-bit flip, every truncation, and every insane field with a good
// sum.
#include "format/pack/superblock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/block_tree.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

Superblock Sample(uint64_t volumes = 1) {
  Superblock s;
  s.generation = 1;
  s.index_offset = 12288;
  s.body_bytes = 576 + volumes * 64;
  s.index_bytes = BlockTreeGeometry(s.body_bytes).total_bytes;
  s.root_sum = 0x1122334455667788;
  s.pack_bytes = s.index_offset + s.index_bytes;
  s.samples = 3;
  s.order = PackOrder::kShuffle;
  s.order_seed = 42;
  const std::array<uint64_t, kSectionCount> bytes = {volumes * 64, 32, 24, 128, 24, 0, 5, 0, 0};
  uint64_t offset = 0;
  for (size_t i = 0; i < kSectionCount; ++i) {
    if (IsOptional(static_cast<Section>(i)) && bytes[i] == 0) continue;
    s.sections[i] = {offset, bytes[i]};
    offset = AlignUp(offset + bytes[i], kSectionAlign);
  }
  return s;
}

using Slot = std::array<std::byte, kSuperblockBytes>;

Slot Encoded(const Superblock& superblock) {
  Slot slot = {};
  EncodeSuperblock(superblock, slot);
  return slot;
}

void MakeSumGood(Slot& slot) { StoreUint<8>(slot, 4088, Xxh3(std::span(slot).first(4088))); }

TEST(Superblock, ComesBackAsItWasWritten) { EXPECT_EQ(DecodeSuperblock(Encoded(Sample())).value(), Sample()); }

// Of a generation whose table reaches into the second sector.
Superblock Grown(uint64_t generation) {
  Superblock s = Sample();
  s.generation = generation;
  s.index_offset *= generation;
  s.sections[static_cast<size_t>(Section::kDictionaries)] = {.offset = 1024, .bytes = 64};
  s.sections[static_cast<size_t>(Section::kDictionaryBytes)] = {.offset = 1088, .bytes = 10};
  s.sections[static_cast<size_t>(Section::kLayers)] = {.offset = 1152, .bytes = (generation - 1) * kLayerBytes};
  return s;
}

TEST(Superblock, AnyMixtureOfSectorsMayBeTorn) {
  const Slot after = Encoded(Grown(4));
  for (const Slot& before : {Slot{}, Encoded(Grown(2)), Encoded(Sample())}) {
    for (unsigned kept = 1; kept < 0xff; ++kept) {
      Slot slot = after;
      for (size_t sector = 0; sector < 8; ++sector)
        if ((kept >> sector & 1) != 0) std::copy_n(before.begin() + sector * 512, 512, slot.begin() + sector * 512);
      if (slot == after || slot == before) continue;  // the others are zeros in both
      EXPECT_TRUE(MayBeTorn(slot, before)) << kept;
    }
  }
}

TEST(Superblock, WhatWasWrittenWholeAndHarmedSinceIsNotTorn) {
  for (const Slot& after : {Encoded(Grown(4)), Encoded(Sample())}) {
    for (const Slot& before : {Slot{}, Encoded(Grown(2))}) {
      for (size_t at = 0; at < kSuperblockBytes; ++at) {
        Slot slot = after;
        slot[at] ^= std::byte{1};
        EXPECT_FALSE(MayBeTorn(slot, before)) << at;
      }
    }
  }
}

TEST(Superblock, ALayerTellsTheSlotItIsOf) {
  const Slot slot = Encoded(Grown(4));
  EXPECT_EQ(SlotOf(LayerOf(slot)), slot);
}

TEST(Superblock, AnOptionalSectionIsInTheTableWhereItHasRecords) {
  Superblock with = Sample();
  with.body_bytes += 40;
  with.index_bytes = BlockTreeGeometry(with.body_bytes).total_bytes;
  with.pack_bytes = with.index_offset + with.index_bytes;
  with.sections[8] = {.offset = 640, .bytes = 40};
  const auto slot = Encoded(with);
  EXPECT_EQ(LoadUint<4>(slot, 20), 9U);
  EXPECT_EQ(LoadUint<4>(slot, 192 + 8 * 32), 9U);
  EXPECT_EQ(LoadUint<4>(slot, 192 + 8 * 32 + 4), 0U) << "releases that do not know it skip it";
  EXPECT_EQ(DecodeSuperblock(slot).value(), with);
}

TEST(Superblock, LeadingBytesAreThoseOfTheFormat) {
  const auto slot = Encoded(Sample());
  EXPECT_EQ(AsText(std::span(slot).first(8)), std::string_view("\x89QUIRE\n\x1a", 8));
  EXPECT_EQ(LoadUint<2>(slot, 8), 2U);
  EXPECT_EQ(LoadUint<4>(slot, 20), 8U);
  EXPECT_EQ(LoadUint<8>(slot, 24), 1U);
  EXPECT_EQ(LoadUint<8>(slot, 32), 12288U);
  EXPECT_EQ(LoadUint<4>(slot, 128), 2U);
  EXPECT_EQ(LoadUint<4>(slot, 192 + 3 * 32), 4U);      // nodes
  EXPECT_EQ(LoadUint<4>(slot, 192 + 3 * 32 + 4), 1U);  // required
  EXPECT_EQ(LoadUint<4>(slot, 192 + 3 * 32 + 8), 32U);
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
  for (const auto& [major, remedy] : {std::pair(1, "pack its source again"), std::pair(3, "use a newer quire")}) {
    auto slot = Encoded(Sample());
    StoreUint<2>(slot, 8, major);
    const auto decoded = DecodeSuperblock(slot);
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
    EXPECT_TRUE(decoded.error().message.contains(fmt::format("format {}.0", major))) << decoded.error().message;
    EXPECT_TRUE(decoded.error().message.contains(remedy)) << decoded.error().message;
  }
}

TEST(Superblock, AnUnknownRequiredFeatureIsUnsupported) {
  auto slot = Encoded(Sample());
  StoreUint<4>(slot, 12, 4);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kCorrupt) << "a bit that flipped is no feature";
  MakeSumGood(slot);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kUnsupported);
}

TEST(Superblock, AppendFeaturesDoNotConcernReaders) {
  auto slot = Encoded(Sample());
  StoreUint<4>(slot, 16, 4);
  MakeSumGood(slot);
  EXPECT_EQ(DecodeSuperblock(slot).value().append_features, 4U) << "but writers";
}

// Adds an entry to the section table, behind all others.
void AddSection(Slot& slot, uint32_t id, uint32_t flags, uint64_t offset, uint64_t bytes) {
  const uint64_t count = LoadUint<4>(slot, 20);
  const size_t at = 192 + 32 * count;
  StoreUint<4>(slot, 20, count + 1);
  StoreUint<4>(slot, at, id);
  StoreUint<4>(slot, at + 4, flags);
  StoreUint<4>(slot, at + 8, 1);
  StoreUint<8>(slot, at + 16, offset);
  StoreUint<8>(slot, at + 24, bytes);
  MakeSumGood(slot);
}

TEST(Superblock, UnknownSectionsAreSkippedUnlessTheyAreRequired) {
  const Superblock sample = Sample();
  auto slot = Encoded(sample);
  AddSection(slot, 77, 0, sample.body_bytes, 0);
  Superblock with_unknown = sample;
  with_unknown.has_unknown_sections = true;
  EXPECT_EQ(DecodeSuperblock(slot).value(), with_unknown);
  slot = Encoded(sample);
  AddSection(slot, 77, 1, sample.body_bytes, 0);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kUnsupported);
}

TEST(Superblock, AKnownSectionWithAnUnknownFlagIsAnUnknownSection) {
  constexpr size_t kXattrs = 192 + 7 * 32;
  auto slot = Encoded(Sample());
  StoreUint<4>(slot, kXattrs + 4, 2);
  MakeSumGood(slot);
  EXPECT_EQ(DecodeSuperblock(slot).value().section(Section::kXattrs), SectionRange{});
  StoreUint<4>(slot, kXattrs + 4, 3);
  MakeSumGood(slot);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kUnsupported);
}

TEST(Superblock, RecordsOfAnotherSizeAreUnsupported) {
  auto slot = Encoded(Sample());
  StoreUint<4>(slot, 192 + 4 * 32 + 8, 12);  // extents
  MakeSumGood(slot);
  EXPECT_EQ(DecodeSuperblock(slot).error().code, ErrorCode::kUnsupported);
}

TEST(Superblock, ImpossibleSectionTablesAreRefused) {
  const uint64_t end = Sample().body_bytes;
  const std::vector<std::function<void(Slot&)>> insanities = {
      [&](Slot& slot) { AddSection(slot, 8, 1, end, 0); },    // xattrs, twice
      [&](Slot& slot) { AddSection(slot, 77, 0, 0, 64); },    // where another one lies
      [&](Slot& slot) { AddSection(slot, 77, 0, end, 64); },  // behind the body
      [&](Slot& slot) { StoreUint<4>(slot, 192 + 8, 0); },    // records of no bytes
      [&](Slot& slot) { StoreUint<4>(slot, 20, 65); },        // more than the table holds
      [&](Slot& slot) { StoreUint<4>(slot, 20, 3); },         // no nodes
      [&](Slot& slot) { StoreUint<4>(slot, 20, 0xffffffff); },
  };
  for (size_t i = 0; i < insanities.size(); ++i) {
    auto slot = Encoded(Sample());
    insanities[i](slot);
    MakeSumGood(slot);
    const auto decoded = DecodeSuperblock(slot);
    ASSERT_FALSE(decoded.has_value()) << "case " << i;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << "case " << i;
  }
}

TEST(Superblock, AHigherMinorVersionIsRead) {
  auto slot = Encoded(Sample());
  StoreUint<2>(slot, 10, 7);
  MakeSumGood(slot);
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
      [](Superblock& s) { s.sections[6].bytes = UINT64_MAX; },
      [](Superblock& s) { s.sections[7].offset = UINT64_MAX - 63; },
      [](Superblock& s) { std::swap(s.sections[0], s.sections[3]); },
      [](Superblock& s) { s.samples = 4; },  // with the root these are more than the nodes
      [](Superblock& s) { s.symlinks = 1; },
      [](Superblock& s) { s.hard_links = UINT64_MAX; },
      [](Superblock& s) { s.stored_bytes = 3 * kPageBytes; },  // in one extent
  };
  for (size_t i = 0; i < insanities.size(); ++i) {
    Superblock superblock = Sample();
    insanities[i](superblock);
    const auto decoded = DecodeSuperblock(Encoded(superblock));
    ASSERT_FALSE(decoded.has_value()) << "case " << i;
    EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << "case " << i;
  }
}

// Their numbers have 16 bits: a loop over more would not end.
TEST(Superblock, MoreVolumesThanNumbersOfThemAreRefused) {
  EXPECT_TRUE(DecodeSuperblock(Encoded(Sample(65'535))).has_value());
  const auto decoded = DecodeSuperblock(Encoded(Sample(65'536)));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_TRUE(decoded.error().message.contains("65536 volumes")) << decoded.error().message;
}

// Both slots, one behind the other.
std::vector<std::byte> Slots(const Slot& first, const Slot& second) {
  std::vector<std::byte> slots(first.begin(), first.end());
  slots.insert(slots.end(), second.begin(), second.end());
  return slots;
}

Slot OfGeneration(uint64_t generation) {
  Superblock superblock = Sample();
  superblock.generation = generation;
  return Encoded(superblock);
}

Slot Torn(Slot slot) {
  slot[2000] ^= std::byte{1};
  return slot;
}

TEST(SuperblockChoice, TheHighestGenerationCounts) {
  EXPECT_EQ(ChooseSuperblock(Slots(OfGeneration(1), OfGeneration(2)))->superblock.generation, 2U);
  EXPECT_EQ(ChooseSuperblock(Slots(OfGeneration(3), OfGeneration(2)))->superblock.generation, 3U);
  EXPECT_FALSE(ChooseSuperblock(Slots(OfGeneration(3), OfGeneration(2)))->damage.has_value());
}

TEST(SuperblockChoice, ATornSlotFallsBackAndIsTold) {
  const auto torn_second = ChooseSuperblock(Slots(OfGeneration(1), Torn(OfGeneration(2))));
  EXPECT_EQ(torn_second->superblock.generation, 1U);
  EXPECT_TRUE(torn_second->damage->contains("slot 1: checksum mismatch")) << *torn_second->damage;
  const auto torn_first = ChooseSuperblock(Slots(Torn(OfGeneration(3)), OfGeneration(2)));
  EXPECT_EQ(torn_first->superblock.generation, 2U);
  EXPECT_TRUE(torn_first->damage->contains("slot 0: checksum mismatch")) << *torn_first->damage;
}

TEST(SuperblockChoice, AnEmptySecondSlotIsNoDamageInTheFirstGenerationOnly) {
  EXPECT_FALSE(ChooseSuperblock(Slots(OfGeneration(1), Slot{}))->damage.has_value());
  EXPECT_TRUE(ChooseSuperblock(Slots(OfGeneration(3), Slot{}))->damage.has_value());
  EXPECT_TRUE(ChooseSuperblock(Slots(Slot{}, OfGeneration(2)))->damage.has_value());
  Slot noise = {};
  noise[77] = std::byte{1};
  EXPECT_TRUE(ChooseSuperblock(Slots(OfGeneration(1), noise))->damage.has_value());
}

TEST(SuperblockChoice, ASlotThatIsNotUnderstoodIsNoTornOne) {
  Slot newer_major = OfGeneration(2);
  StoreUint<2>(newer_major, 8, 3);
  Slot newer_feature = OfGeneration(2);
  StoreUint<4>(newer_feature, 12, 1);
  MakeSumGood(newer_feature);
  for (const Slot& newer : {newer_major, newer_feature}) {
    EXPECT_EQ(ChooseSuperblock(Slots(OfGeneration(1), newer)).error().code, ErrorCode::kUnsupported);
  }
  Slot first = OfGeneration(1);
  StoreUint<2>(first, 8, 3);
  EXPECT_EQ(ChooseSuperblock(Slots(first, OfGeneration(2))).error().code, ErrorCode::kUnsupported);
}

TEST(SuperblockChoice, AnImpossibleSlotIsNoTornOneEither) {
  Superblock impossible = Sample();
  impossible.generation = 2;
  impossible.index_offset = 0;
  EXPECT_EQ(ChooseSuperblock(Slots(OfGeneration(1), Encoded(impossible))).error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(ChooseSuperblock(Slots(OfGeneration(2), Slot{})).has_value()) << "a generation in the other's slot";
}

TEST(SuperblockChoice, WithoutAWholeSlotTheFirstSaysWhatIsWrong) {
  EXPECT_TRUE(ChooseSuperblock(Slots(Torn(OfGeneration(1)), Slot{})).error().message.contains("checksum mismatch"));
  EXPECT_TRUE(ChooseSuperblock(Slots(Slot{}, Slot{})).error().message.contains("not a Quire pack"));
  EXPECT_TRUE(ChooseSuperblock({}).error().message.contains("not a Quire pack"));
}

}  // namespace
}  // namespace quire
