// SPDX-License-Identifier: Apache-2.0
// Goal: what a mount tells of its pages is taken as it is, or refused by the name of the field that is wrong, whatever
// it is; and nothing is opened but the file that the mount says it has.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "format/pack/geometry.h"
#include "fs/json_text.h"
#include "tools/map/told_pages.h"

namespace quire {
namespace {

Json GoodVolume() {
  return {{"path", "/data/a.quire"}, {"kind", "file"},      {"volume_bytes", 10 * kPageBytes},
          {"device", 2049},          {"inode", 12},         {"error", nullptr},
          {"memory_pages", 3},       {"memory", "1+2,9+1"}, {"handed_on_pages", 0},
          {"handed_on", ""},         {"tier", nullptr}};
}

Json Good() {
  return {{"schema", 1},           {"pack", "/data/a.quire"},
          {"mount_point", "/mnt"}, {"page_bytes", kPageBytes},
          {"left_out_volumes", 0}, {"volumes", Json::array({GoodVolume()})}};
}

TEST(ToldPages, AreTakenAsTheyAre) {
  const auto told = ParseToldPages(FormatJson(Good()));
  ASSERT_TRUE(told.has_value()) << told.error().message;
  EXPECT_EQ(told->pack, "/data/a.quire");
  ASSERT_EQ(told->volumes.size(), 1U);
  const ToldVolume& volume = told->volumes.front();
  EXPECT_EQ(volume.path, "/data/a.quire");
  EXPECT_EQ(volume.volume_bytes, 10 * kPageBytes);
  EXPECT_EQ(volume.inode, 12U);
  EXPECT_EQ(volume.memory, (std::vector<PageRun>{{1, 2}, {9, 1}}));
  EXPECT_EQ(volume.handed_on, std::vector<PageRun>());
  EXPECT_EQ(volume.tier, "");
}

TEST(ToldPages, WhatIsNotToldIsUnknown) {
  Json document = Good();
  document["volumes"][0]["memory"] = nullptr;
  document["volumes"][0].erase("handed_on");
  const auto told = ParseToldPages(FormatJson(document));
  ASSERT_TRUE(told.has_value()) << told.error().message;
  EXPECT_EQ(told->volumes.front().memory, std::nullopt);
  EXPECT_EQ(told->volumes.front().handed_on, std::nullopt);
}

TEST(ToldPages, AnotherSchemaIsRefusedAsSuch) {
  Json document = Good();
  document["schema"] = 2;
  const auto told = ParseToldPages(FormatJson(document));
  ASSERT_FALSE(told.has_value());
  EXPECT_EQ(told.error().code, ErrorCode::kUnsupported);
}

TEST(ToldPages, AWrongFieldIsNamed) {
  const auto expect_refused = [](const char* field, const Json& value) {
    for (const bool of_volume : {false, true}) {
      Json document = Good();
      Json& object = of_volume ? document["volumes"][0] : document;
      if (!object.contains(field)) continue;
      object[field] = value;
      const auto told = ParseToldPages(FormatJson(document));
      ASSERT_FALSE(told.has_value()) << field << " " << value;
      EXPECT_TRUE(told.error().message.contains(field)) << told.error().message;
    }
  };
  expect_refused("schema", "1");
  expect_refused("volumes", Json::object());
  expect_refused("volumes", Json::array({1}));
  expect_refused("volumes", nullptr);
  for (const Json& bytes : {Json(-1), Json(1.5), Json("1"), Json(uint64_t{1} << 60), Json(~uint64_t{0}), Json()})
    expect_refused("volume_bytes", bytes);
  for (const char* const set : {"memory", "handed_on"})
    for (const Json& runs : {Json(1), Json("9+2"), Json("10+1"), Json("x"), Json::array({1, 2})})
      expect_refused(set, runs);
  expect_refused("path", 1);
  expect_refused("kind", Json::array());
}

TEST(ToldPages, ManyVolumesAreNoMoreThanAPackCanHave) {
  Json document = Good();
  Json volume = GoodVolume();
  volume["volume_bytes"] = uint64_t{200} << 40;
  document["volumes"] = Json::array({volume});
  EXPECT_TRUE(ParseToldPages(FormatJson(document)).has_value());
  document["volumes"].push_back(volume);
  EXPECT_FALSE(ParseToldPages(FormatJson(document)).has_value());
}

TEST(ToldPages, WhateverIsChangedIsReadOrRefused) {
  const std::string good = FormatJson(Good());
  std::mt19937_64 random(11);
  int taken = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (uint64_t i = random() % 4 + 1; i > 0; --i) text[random() % text.size()] = static_cast<char>(random());
    if (random() % 8 == 0) text.resize(random() % text.size());
    taken += ParseToldPages(text).has_value() ? 1 : 0;
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, 3000);
  EXPECT_FALSE(ParseToldPages("").has_value());
  EXPECT_FALSE(ParseToldPages("[]").has_value());
  EXPECT_FALSE(ParseToldPages(std::string(100'000, '[')).has_value());
}

class ToldFileTest : public testing::Test {
 protected:
  ToldFileTest() {
    std::string name = testing::TempDir() + "told.XXXXXX";
    folder_ = mkdtemp(name.data());
    std::ofstream(folder_ / "file") << "content";
  }
  ~ToldFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] ToldVolume Told(const std::string& name) const {
    struct stat status = {};
    EXPECT_EQ(stat((folder_ / name).c_str(), &status), 0);
    return {.path = folder_ / name, .kind = "file", .device = status.st_dev, .inode = status.st_ino};
  }

  std::filesystem::path folder_;
};

TEST_F(ToldFileTest, TheFileThatIsToldIsOpened) {
  const auto file = OpenToldFile(Told("file"));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  std::array<std::byte, 7> bytes = {};
  EXPECT_TRUE(file->ReadExactly(0, bytes).has_value());
}

TEST_F(ToldFileTest, AnotherFileOfThatNameIsNot) {
  const ToldVolume told = Told("file");
  std::ofstream(folder_ / "new") << "content";
  std::filesystem::rename(folder_ / "new", folder_ / "file");
  const auto file = OpenToldFile(told);
  ASSERT_FALSE(file.has_value());
  EXPECT_TRUE(file.error().message.contains("another file")) << file.error().message;
}

TEST_F(ToldFileTest, WhatIsNoFileIsNotOpened) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  std::filesystem::create_directory(folder_ / "folder");
  for (const char* const name : {"pipe", "folder"}) EXPECT_FALSE(OpenToldFile(Told(name)).has_value()) << name;
  ToldVolume device{.path = "/dev/null", .kind = "file"};
  struct stat status = {};
  ASSERT_EQ(stat("/dev/null", &status), 0);
  device.device = status.st_dev;
  device.inode = status.st_ino;
  EXPECT_FALSE(OpenToldFile(device).has_value());
}

TEST_F(ToldFileTest, AFileOfWhichNothingIsToldIsNotOpened) {
  EXPECT_FALSE(OpenToldFile({.path = folder_ / "file", .kind = "file"}).has_value());
  EXPECT_FALSE(OpenToldFile({.path = "", .kind = "file"}).has_value());
}

}  // namespace
}  // namespace quire
