// Goal: each look-up of a control file has content and an inode of its own, which stay until the kernel forgets them,
// and no program can make the daemon keep any number of them.
#include "fs/control_files.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace quire {
namespace {

class ControlFilesTest : public testing::Test {
 protected:
  ino_t FindStats() { return files_.Find(kControlFolderInode, "stats").value().value(); }

  int written_ = 0;
  ControlFiles files_{[this] { return std::to_string(++written_); }};
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

TEST_F(ControlFilesTest, KeepsSoManyAndNoMore) {
  ino_t last = 0;
  for (int i = 0; i < 1024; ++i) last = FindStats();
  const auto refused = files_.Find(kControlFolderInode, "stats");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, ENFILE);
  files_.Forget(last, 1);
  EXPECT_TRUE(files_.Find(kControlFolderInode, "stats").has_value());
}

}  // namespace
}  // namespace quire
