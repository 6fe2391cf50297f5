// SPDX-License-Identifier: Apache-2.0
// Goal: each look-up of a control file has content and an inode of its own, which stay until the kernel forgets them,
// and no program can make the daemon keep any number of them; but a pipe is one.
#include "fs/serve/control_files.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>

namespace quire {
namespace {

class ControlFilesTest : public testing::Test {
 protected:
  ino_t Find(std::string_view name) { return files_.Lookup(kControlFolderInode, name).value().status.st_ino; }
  ino_t FindStats() { return Find("stats"); }

  int written_ = 0;
  int plan_lookups_ = 0;
  ControlFiles files_{
      {{.name = "other", .write = [] { return std::string("of another name"); }},
       {.name = "plan", .write = {}, .mode = 0622, .pipe_inode = kPlanInode, .looked_up = [this] { ++plan_lookups_; }},
       {.name = "stats", .write = [this] { return std::to_string(++written_); }}},
      /*for_all=*/false};
};

TEST_F(ControlFilesTest, GivesEachLookupItsOwnContent) {
  const ino_t first = FindStats();
  const ino_t second = FindStats();
  EXPECT_NE(first, second);
  EXPECT_EQ(*files_.GetContent(first), "1");
  EXPECT_EQ(*files_.GetContent(second), "2");
  EXPECT_EQ(files_.GetStat(second)->st_size, 1);
  EXPECT_EQ(*files_.GetContent(Find("other")), "of another name");
  EXPECT_EQ(Find("none"), 0U);
  EXPECT_EQ(files_.Lookup(first, "stats").value().status.st_ino, 0U) << "a file was searched as a folder";
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
  EXPECT_EQ(Find("plan"), kPlanInode);
  EXPECT_EQ(Find("plan"), kPlanInode);
  EXPECT_EQ(plan_lookups_, 2);
  const auto status = files_.GetStat(kPlanInode);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->st_mode, S_IFIFO | 0622U);
  EXPECT_EQ(status->st_nlink, 1U);
  EXPECT_EQ(files_.GetContent(kPlanInode), nullptr);
  EXPECT_EQ(written_, 0) << "nothing is told of it";
}

TEST_F(ControlFilesTest, TheFolderIsForTheOwnerUnlessItIsForAll) {
  EXPECT_EQ(ControlFiles({}, false).GetStat(kControlFolderInode)->st_mode, S_IFDIR | 0500U);
  EXPECT_EQ(ControlFiles({}, true).GetStat(kControlFolderInode)->st_mode, S_IFDIR | 0555U);
}

TEST(ControlFiles, KeepsNoMoreContentThan64MiBInAll) {
  constexpr size_t kBytes = 9 << 20;
  ControlFiles files({{.name = "long", .write = [] { return std::string(kBytes, 'x'); }}}, /*for_all=*/false);
  ino_t last = 0;
  for (int kept = 0; kept < 7; ++kept) last = files.Lookup(kControlFolderInode, "long").value().status.st_ino;
  const auto refused = files.Lookup(kControlFolderInode, "long");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, ENFILE);
  files.Forget(last, 1);
  EXPECT_TRUE(files.Lookup(kControlFolderInode, "long").has_value()) << "what was forgotten is still counted";
}

TEST(ControlFiles, GivesOneOfAnyLength) {
  ControlFiles files({{.name = "long", .write = [] { return std::string(65 << 20, 'x'); }}}, /*for_all=*/false);
  EXPECT_TRUE(files.Lookup(kControlFolderInode, "long").has_value());
}

TEST_F(ControlFilesTest, ThePlanStaysWhoeverForgetsIt) {
  files_.Forget(kPlanInode, 1);
  EXPECT_TRUE(files_.GetStat(kPlanInode).has_value());
}

TEST_F(ControlFilesTest, TheInodeOfStatsIsNeverThatOfThePlan) {
  for (int i = 0; i < 10; ++i) EXPECT_GT(FindStats(), kPlanInode);
}

TEST_F(ControlFilesTest, TheFolderListsAllFilesWithTheirTypesAndInodesOfTheirOwn) {
  std::map<std::string, mode_t> listed;
  std::set<ino_t> inodes;
  const auto visit = [&](const ListedInode& entry) {
    listed.emplace(entry.name, entry.type);
    inodes.insert(entry.inode);
    return true;
  };
  ASSERT_TRUE(files_.List(kControlFolderInode, 0, false, visit).has_value());
  EXPECT_EQ(listed, (std::map<std::string, mode_t>{
                        {".", S_IFDIR}, {"..", S_IFDIR}, {"other", S_IFREG}, {"plan", S_IFIFO}, {"stats", S_IFREG}}));
  EXPECT_EQ(inodes.size(), listed.size());
  EXPECT_FALSE(inodes.contains(FindStats())) << "an inode of the listing was given to a file";
}

TEST_F(ControlFilesTest, EachPipeHasItsModeAndHearsOfEachLookUp) {
  int told = 0;
  ControlFiles files(
      {{.name = kPlanName, .write = {}, .mode = 0622, .pipe_inode = kPlanInode},
       {.name = kTraceName, .write = {}, .mode = 0600, .pipe_inode = kTraceInode, .looked_up = [&] { ++told; }}},
      true);
  const auto entry = files.Lookup(kControlFolderInode, kTraceName);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->status.st_mode, S_IFIFO | 0600U);
  EXPECT_EQ(entry->status.st_ino, kTraceInode);
  EXPECT_EQ(entry->keep_name_s, 0);
  EXPECT_EQ(files.GetStat(kPlanInode)->st_mode, S_IFIFO | 0622U);
  EXPECT_EQ(told, 1);
}

TEST_F(ControlFilesTest, AListingGoesOnWhereItsCookieSays) {
  for (uint64_t cookie = 0; cookie <= 5; ++cookie) {
    uint64_t listed = 0;
    ASSERT_TRUE(files_
                    .List(kControlFolderInode, cookie, false,
                          [&](const ListedInode& entry) {
                            EXPECT_EQ(entry.next_cookie, cookie + ++listed);
                            return true;
                          })
                    .has_value());
    EXPECT_EQ(listed, 5 - cookie);
  }
}

TEST_F(ControlFilesTest, KeepsSoManyAndNoMore) {
  ino_t last = 0;
  for (int i = 0; i < 1024; ++i) last = FindStats();
  const auto refused = files_.Lookup(kControlFolderInode, "stats");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, ENFILE);
  files_.Forget(last, 1);
  EXPECT_TRUE(files_.Lookup(kControlFolderInode, "stats").has_value());
}

}  // namespace
}  // namespace quire
