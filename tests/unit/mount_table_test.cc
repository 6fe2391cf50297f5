// SPDX-License-Identifier: Apache-2.0
// Goal: the right mount is found in /proc/self/mountinfo, whatever its path is made of, and whatever stands around it.
#include "fs/mounts/mount_table.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace quire {
namespace {

TEST(MountTable, ReadsTheFieldsOfALine) {
  const auto entries =
      ParseMountInfo("42 27 0:39 / /m ro,nosuid shared:1 master:2 - fuse.quire /data/t.quire ro,user_id=0\n");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].id, 42U);
  EXPECT_EQ(entries[0].device, makedev(0, 39));
  EXPECT_EQ(entries[0].mount_point, "/m");
  EXPECT_EQ(entries[0].type, kMountType);
  EXPECT_EQ(entries[0].source, "/data/t.quire");
  EXPECT_EQ(entries[0].user, 0U);
}

TEST(MountTable, OnlyAFuseMountHasAUser) {
  EXPECT_EQ(ParseMountInfo("1 2 0:3 / /m rw - fuse.quire s ro,user_id=1000,group_id=7")[0].user, 1000U);
  EXPECT_FALSE(ParseMountInfo("1 2 0:3 / /m rw - tmpfs s rw,size=1k")[0].user.has_value());
  EXPECT_FALSE(ParseMountInfo("1 2 0:3 / /m rw - tmpfs s")[0].user.has_value());
}

TEST(MountTable, ALineWithoutOptionalFieldsIsRead) {
  EXPECT_EQ(ParseMountInfo("1 2 0:3 / /m rw - tmpfs none rw").size(), 1U);
}

TEST(MountTable, EscapedBytesOfPathsAreRestored) {
  const auto entries = ParseMountInfo(R"(1 2 0:3 / /a\040b\011c\012d\134e rw - fuse.quire /p\040q ro)");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_point, "/a b\tc\nd\\e");
  EXPECT_EQ(entries[0].source, "/p q");
}

TEST(MountTable, LinesOfAnotherFormAreLeftOut) {
  EXPECT_TRUE(ParseMountInfo("").empty());
  EXPECT_TRUE(ParseMountInfo("\n\nx\n1 2 3 4 5\n1 2 0:3 / /m rw\n1 2 0:x / /m rw - t s o\n").empty());
}

TEST(MountTable, ResolvingFollowsSymlinksAndDropsSlashes) {
  EXPECT_EQ(ResolveMountPoint("/").value(), "/");
  EXPECT_EQ(ResolveMountPoint("//proc//").value(), "/proc");
  EXPECT_EQ(ResolveMountPoint("/proc/sys/..").value(), "/proc");
  EXPECT_EQ(ResolveMountPoint("/proc/self/root/proc").value(), "/proc");
  EXPECT_EQ(ResolveMountPoint("/no such folder").error().code, ErrorCode::kNotFound);
}

TEST(MountTable, FindsAMountAndNothingWhereThereIsNone) {
  EXPECT_EQ(FindMount("/proc").value().value().type, "proc");
  EXPECT_FALSE(FindMount("/proc/self").value().has_value());
}

TEST(MountTable, FindsTheNearestMountAbove) {
  EXPECT_EQ(FindMountAbove("/proc/self").value().mount_point, "/proc");
  EXPECT_EQ(FindMountAbove("/proc").value().mount_point, "/");  // what lies there is not above it
  EXPECT_EQ(FindMountAbove("/process").value().mount_point, "/");
}

}  // namespace
}  // namespace quire
