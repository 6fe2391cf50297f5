// Goal: each look-up of a control file has content and an inode of its own, which stay until the kernel forgets them,
// and no program can make the daemon keep any number of them; but the pipe for plans is one. And the report says what
// it names.
#include "fs/serve/control_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

namespace quire {
namespace {

class ControlFilesTest : public testing::Test {
 protected:
  ino_t FindStats() { return files_.Find(kControlFolderInode, "stats").value().value(); }

  int written_ = 0;
  ControlFiles files_{[this] { return std::to_string(++written_); }, /*for_all=*/false};
};

TEST_F(ControlFilesTest, GivesEachLookupItsOwnContent) {
  const ino_t first = FindStats();
  const ino_t second = FindStats();
  EXPECT_NE(first, second);
  EXPECT_EQ(*files_.GetContent(first), "1");
  EXPECT_EQ(*files_.GetContent(second), "2");
  EXPECT_EQ(files_.GetStat(second)->st_size, 1);
  EXPECT_FALSE(files_.Find(kControlFolderInode, "none").value().has_value());
}

TEST_F(ControlFilesTest, KeepsAFileUntilItIsForgotten) {
  const ino_t inode = FindStats();
  files_.Forget(inode + 1, 1);  // of nobody
  ASSERT_NE(files_.GetContent(inode), nullptr);
  files_.Forget(inode, 1);
  EXPECT_EQ(files_.GetContent(inode), nullptr);
  EXPECT_FALSE(files_.GetStat(inode).has_value());
  EXPECT_NE(FindStats(), inode) << "an inode was given out twice";
}

// Programs that open it are to meet the daemon, and each other.
TEST_F(ControlFilesTest, PlanIsAlwaysTheSamePipeThatEveryoneMayWriteInto) {
  EXPECT_EQ(files_.Find(kControlFolderInode, "plan").value(), kPlanInode);
  EXPECT_EQ(files_.Find(kControlFolderInode, "plan").value(), kPlanInode);
  const auto status = files_.GetStat(kPlanInode);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->st_mode, S_IFIFO | 0622U);
  EXPECT_EQ(status->st_nlink, 1U);
  EXPECT_EQ(files_.GetContent(kPlanInode), nullptr);
  EXPECT_EQ(written_, 0) << "nothing is told of it";
}

TEST_F(ControlFilesTest, TheFolderIsForTheOwnerUnlessItIsForAll) {
  const auto nothing = [] { return std::string(); };
  EXPECT_EQ(ControlFiles(nothing, false).GetStat(kControlFolderInode)->st_mode, S_IFDIR | 0500U);
  EXPECT_EQ(ControlFiles(nothing, true).GetStat(kControlFolderInode)->st_mode, S_IFDIR | 0555U);
}

TEST_F(ControlFilesTest, ThePlanStaysWhoeverForgetsIt) {
  files_.Forget(kPlanInode, 1);
  EXPECT_TRUE(files_.GetStat(kPlanInode).has_value());
}

TEST_F(ControlFilesTest, TheInodeOfStatsIsNeverThatOfThePlan) {
  for (int i = 0; i < 10; ++i) EXPECT_GT(FindStats(), kPlanInode);
}

TEST_F(ControlFilesTest, TheFolderListsBothFilesWithTheirTypes) {
  std::map<std::string, mode_t> listed;
  const auto visit = [&](const ListedEntry& entry) {
    listed.emplace(entry.name, entry.type);
    return true;
  };
  ASSERT_TRUE(ControlFiles::List(kControlFolderInode, 0, visit).has_value());
  EXPECT_EQ(listed,
            (std::map<std::string, mode_t>{{".", S_IFDIR}, {"..", S_IFDIR}, {"plan", S_IFIFO}, {"stats", S_IFREG}}));
}

TEST_F(ControlFilesTest, AListingGoesOnWhereItsCookieSays) {
  for (uint64_t cookie = 0; cookie <= 4; ++cookie) {
    uint64_t listed = 0;
    ASSERT_TRUE(ControlFiles::List(kControlFolderInode, cookie, [&](const ListedEntry& entry) {
                  EXPECT_EQ(entry.next_cookie, cookie + ++listed);
                  return true;
                }).has_value());
    EXPECT_EQ(listed, 4 - cookie);
  }
}

TEST_F(ControlFilesTest, KeepsSoManyAndNoMore) {
  ino_t last = 0;
  for (int i = 0; i < 1024; ++i) last = FindStats();
  const auto refused = files_.Find(kControlFolderInode, "stats");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, ENFILE);
  files_.Forget(last, 1);
  EXPECT_TRUE(files_.Find(kControlFolderInode, "stats").has_value());
}

// --- What `stats` tells

nlohmann::json Reported(const FeedFigures& feed) {
  MountReport report;
  report.feed = feed;
  return nlohmann::json::parse(FormatReport(report));
}

TEST(MountReport, SaysItsSchemaAndThePackWhateverItsName) {
  MountReport report;
  report.pack_path = "/a\xFF\xE2\x80\xAE";
  const std::string text = FormatReport(report);
  EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char byte) { return byte < 0x7F; }));
  const auto document = nlohmann::json::parse(text);
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["pack"], "/a\xEF\xBF\xBD\xE2\x80\xAE");
  EXPECT_EQ(document["pack_base64"], "L2H/4oCu");
}

TEST(MountReport, TellsWhatWasPushedAndWhatCameOfIt) {
  const auto push = Reported({.mode = PushMode::kOn,
                              .is_pushing = true,
                              .pushed_samples = 1,
                              .pushed_bytes = 2,
                              .refused_pushes = 3,
                              .push = {.pages = 9,
                                       .handed_on_pages = 10,
                                       .control_pages = 4,
                                       .control_pages_read = 1,
                                       .pushed_page_bytes = 80,
                                       .dropped_samples = 6,
                                       .pauses = 7,
                                       .is_paused = true,
                                       .available_bytes = 8},
                              .plan = {}})["push"];
  EXPECT_EQ(push, nlohmann::json::parse(R"({"mode": "on", "is_pushing": true, "samples": 1, "bytes": 2, "refused": 3,
      "pages": 9, "handed_on_pages": 10, "control_pages": 4, "control_pages_read": 1, "read_share": 0.25, "dropped_samples": 6, "pauses": 7,
      "is_paused": true, "available_bytes": 8})"));
}

TEST(MountReport, WithoutPushesThereIsNoShareThatWasRead) { EXPECT_TRUE(Reported({})["push"]["read_share"].is_null()); }

TEST(MountReport, TellsWhatPlansToldAndWhereTheyAre) {
  const auto plan = Reported({.push = {},
                              .plan = {.told = 1,
                                       .ignored = 2,
                                       .prefetched = 3,
                                       .overtaken = 4,
                                       .expected_reads = 5,
                                       .unexpected_reads = 6,
                                       .forgotten_plans = 7,
                                       .ahead = 8,
                                       .left = 9,
                                       .memory_bytes = 11},
                              .plan_unknown = 10})["plan"];
  EXPECT_EQ(plan, nlohmann::json::parse(R"({"told": 1, "ignored": 2, "prefetched": 3, "overtaken": 4,
      "expected_reads": 5, "unexpected_reads": 6, "forgotten_plans": 7, "ahead": 8, "left": 9, "memory_bytes": 11,
      "unknown": 10})"));
}

}  // namespace
}  // namespace quire
