// SPDX-License-Identifier: Apache-2.0
// Goal: who looks at a tier is told what is there, changes nothing, and is neither led astray nor kept waiting by what
// others put in its place.
#include "cache/tier/tier_look.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace quire {
namespace {

constexpr uint64_t kVolumeBytes = 5 * kPageBytes;
constexpr uint64_t kMost = uint64_t{1} << 40;

class TierLookTest : public testing::Test {
 protected:
  TierLookTest() {
    const char* const folder = getenv("QUIRE_TEST_DIR");
    std::string name = std::string(folder == nullptr ? "/var/tmp" : folder) + "/tier-look.XXXXXX";
    tier_ = mkdtemp(name.data());
    std::filesystem::create_directory(tier_ / "volumes");
  }
  ~TierLookTest() override { std::filesystem::remove_all(tier_); }

  // A volume with two units of page 1 and all of page 3.
  std::filesystem::path Make(const std::string& source, uint64_t bytes = kVolumeBytes) const {
    const TierKey key = TierKey::Of(source + " state " + std::to_string(bytes), bytes, source);
    const auto path = tier_ / "volumes" / key.FolderName();
    const auto map = TierMap::Create(path, key, false);
    EXPECT_TRUE(map.has_value());
    EXPECT_TRUE(map->WritePage(1, {.present = UnitSet(7, 2), .writing = {}}).has_value());
    EXPECT_TRUE(map->WritePage(3, {.present = UnitSet(0, UnitSet::kUnits), .writing = UnitSet(0, 1)}).has_value());
    return path;
  }

  std::filesystem::path tier_;
};

TEST_F(TierLookTest, TellsTheUnitsOfEachPage) {
  const auto look = LookAtTierVolume(Make("https://a/b"), kMost);
  ASSERT_TRUE(look.has_value()) << look.error().message;
  EXPECT_EQ(look->units, (std::vector<uint8_t>{0, 2, 0, UnitSet::kUnits, 0}));
  EXPECT_EQ(look->head.key.source, "https://a/b");
}

TEST_F(TierLookTest, NeedsTheMapAlone) {
  const auto path = Make("a");
  std::filesystem::remove(path / "data");
  EXPECT_TRUE(LookAtTierVolume(path, kMost).has_value());
}

TEST_F(TierLookTest, ALargerVolumeThanThereMayBeIsRefused) {
  const auto path = Make("a");
  EXPECT_TRUE(LookAtTierVolume(path, kVolumeBytes).has_value());
  EXPECT_FALSE(LookAtTierVolume(path, kVolumeBytes - 1).has_value());
}

TEST_F(TierLookTest, AMapThatIsCutForgedOrGoneIsAnError) {
  const auto path = Make("a");
  const auto map = path / "map";
  std::filesystem::resize_file(map, std::filesystem::file_size(map) - 1);
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value());
  std::filesystem::resize_file(map, 100);
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value());
  std::filesystem::resize_file(map, TierMap::EmptyBytes(kVolumeBytes / kPageBytes));  // zeros behind the cut
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value());
  std::filesystem::remove(map);
  EXPECT_EQ(LookAtTierVolume(path, kMost).error().system_errno, ENOENT);
}

TEST_F(TierLookTest, LinksPipesAndFoldersInPlaceOfTheMapAreErrors) {
  const auto path = Make("a");
  const auto map = path / "map";
  std::filesystem::rename(map, path / "real");
  std::filesystem::create_symlink(path / "real", map);
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value()) << "a link was followed";
  std::filesystem::remove(map);
  ASSERT_EQ(mkfifo(map.c_str(), 0600), 0);
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value());
  std::filesystem::remove(map);
  std::filesystem::create_directory(map);
  EXPECT_FALSE(LookAtTierVolume(path, kMost).has_value());
}

TEST_F(TierLookTest, FindsASourceInItsStateThatWasMadeLast) {
  const auto first = Make("https://a/b");
  Make("https://a/c");
  EXPECT_EQ(FindTierFolder(tier_, "https://a/b").value(), first.native());
  EXPECT_EQ(FindTierFolder(tier_, "https://a").value(), std::nullopt);
  while (TierNowMs() <= LookAtTierVolume(first, kMost)->head.created_at_ms) {
  }
  const auto later = Make("https://a/b", kVolumeBytes + kPageBytes);
  EXPECT_EQ(FindTierFolder(tier_, "https://a/b").value(), later.native());
}

TEST_F(TierLookTest, WhatIsNoTierIsSaidToBeNone) {
  const auto found = FindTierFolder(tier_ / "none", "a");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  std::filesystem::create_directory(tier_ / "volumes/strange");
  ASSERT_EQ(mkfifo((tier_ / "volumes/pipe").c_str(), 0600), 0);
  EXPECT_EQ(FindTierFolder(tier_, "a").value(), std::nullopt);
}

}  // namespace
}  // namespace quire
