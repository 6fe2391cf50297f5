// SPDX-License-Identifier: Apache-2.0
// Goal: each byte of a pack that grows is kept by one part, the same one for as long as the pack is open, and a part
// tells nothing of what lies behind its layer.
#include "cache/tier/tier_parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace quire {
namespace {

constexpr uint64_t kUnit = UnitSet::kUnitBytes;
// Layers that end in the middle of page 3, a little behind that, and in page 6.
constexpr uint64_t kFirstEnd = 3 * kPageBytes + 5 * kUnit + 100;
constexpr uint64_t kSecondEnd = 3 * kPageBytes + 7 * kUnit + 100;
constexpr uint64_t kThirdEnd = 6 * kPageBytes + 100;

class TierPartsTest : public testing::Test {
 protected:
  TierPartsTest() {
    const char* const folder = getenv("QUIRE_TEST_DIR");
    std::string name = std::string(folder == nullptr ? "/var/tmp" : folder) + "/tier-parts.XXXXXX";
    directory_ = mkdtemp(name.data());
    tier_ = Tier::Open({.directory = directory_, .most_bytes = 64 << 20}).value();
  }
  ~TierPartsTest() override { std::filesystem::remove_all(directory_); }

  static TierKey KeyOf(uint64_t first_page, uint64_t end) {
    TierKey key = TierKey::Of("layer that ends at " + std::to_string(end), end, "/p.quire");
    key.first_page = first_page;
    return key;
  }
  [[nodiscard]] TierParts Make() const { return TierParts(tier_, nullptr, "/p.quire"); }
  // Where the part that keeps a byte ends; 0 where none does.
  static uint64_t EndOf(const TierParts& parts, uint64_t offset, uint64_t bytes = 1) {
    const TierVolume* const part = parts.Find(offset, bytes);
    return part == nullptr ? 0 : part->end_bytes();
  }

  std::string directory_;
  std::shared_ptr<Tier> tier_;
  const TierKey first_ = KeyOf(0, kFirstEnd);
  const TierKey second_ = KeyOf(3, kSecondEnd);
  const TierKey third_ = KeyOf(3, kThirdEnd);
};

TEST_F(TierPartsTest, APageInWhichALayerEndsIsOfTheOneAbove) {
  TierParts parts = Make();
  ASSERT_TRUE(parts.Take(std::vector{first_, third_}).has_value());
  EXPECT_EQ(EndOf(parts, 0), kFirstEnd);
  EXPECT_EQ(EndOf(parts, 2 * kPageBytes, kPageBytes), kFirstEnd);
  EXPECT_EQ(EndOf(parts, 3 * kPageBytes, kPageBytes), kThirdEnd);
  EXPECT_EQ(EndOf(parts, 6 * kPageBytes, kUnit), kThirdEnd);
  EXPECT_EQ(EndOf(parts, 6 * kPageBytes, 2 * kUnit), 0U) << "what goes on behind its last unit";
  EXPECT_EQ(EndOf(parts, kThirdEnd), 0U);
  EXPECT_EQ(parts.page_count(), 7U);
}

TEST_F(TierPartsTest, WhatWasThereStaysThatOfTheSamePart) {
  TierParts parts = Make();
  EXPECT_EQ(EndOf(parts, 0), 0U) << "there is none as yet";
  ASSERT_TRUE(parts.Take(std::vector{first_}).has_value());
  ASSERT_TRUE(parts.Take(std::vector{first_, second_}).has_value());
  ASSERT_TRUE(parts.Take(std::vector{first_, third_}).has_value());
  EXPECT_EQ(EndOf(parts, 3 * kPageBytes), kFirstEnd);
  EXPECT_EQ(EndOf(parts, kFirstEnd - 1), kFirstEnd);
  EXPECT_EQ(EndOf(parts, kFirstEnd), kSecondEnd);
  EXPECT_EQ(EndOf(parts, kSecondEnd), kThirdEnd);
  EXPECT_EQ(EndOf(parts, 4 * kPageBytes), kThirdEnd);
}

TEST_F(TierPartsTest, AMapBelongsToOneRangeAlone) {
  {
    TierParts parts = Make();
    ASSERT_TRUE(parts.Take(std::vector{third_}).has_value());
  }
  TierKey other = third_;
  other.first_page = 2;
  TierParts parts = Make();
  ASSERT_TRUE(parts.Take(std::vector{other}).has_value());
  EXPECT_EQ(TierMap::Open(tier_->PathOf(other.FolderName()))->key(), other);
}

TEST_F(TierPartsTest, UnitsAreReadAsTheyWereKept) {
  const auto bytes = MakeAligned(kPageBytes);
  const auto read = MakeAligned(kPageBytes);
  for (size_t i = 0; i < kPageBytes; ++i) bytes[i] = static_cast<std::byte>(i / 7);
  {
    TierParts parts = Make();
    ASSERT_TRUE(parts.Take(std::vector{first_, third_}).has_value());
    for (const uint64_t page : {2, 3, 5})
      parts.Find(page * kPageBytes, kPageBytes)->KeepUnits(page * kPageBytes, bytes.get(), kPageBytes);
  }
  TierParts parts = Make();
  ASSERT_TRUE(parts.Take(std::vector{first_, third_}).has_value());
  for (const uint64_t page : {0, 1, 2, 3, 4, 5, 6}) {
    TierVolume& part = *parts.Find(page * kPageBytes, 1);
    const bool is_kept = page == 2 || page == 3 || page == 5;
    ASSERT_EQ(part.Read(page * kPageBytes, read.get(), kUnit), is_kept) << page;
    if (is_kept) {
      EXPECT_TRUE(std::equal(read.get(), read.get() + kUnit, bytes.get())) << page;
    }
  }
}

}  // namespace
}  // namespace quire
