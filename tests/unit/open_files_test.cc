// SPDX-License-Identifier: Apache-2.0
// Goal: who keeps files open gets a share of what can still be opened, and is told the limit where there is nothing
// left.
#include "format/open_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "format/file.h"

namespace quire {
namespace {

class OpenFilesTest : public testing::Test {
 protected:
  OpenFilesTest() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few = {.rlim_cur = 100, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~OpenFilesTest() override { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(OpenFilesTest, WhatIsOpenIsNotCounted) {
  const size_t openable = CountOpenable(1000);
  ASSERT_GT(openable, 50U);
  ASSERT_LT(openable, 100U);
  std::vector<File> files;
  for (int i = 0; i < 10; ++i) files.emplace_back(open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(CountOpenable(1000), openable - 10);
  EXPECT_EQ(CountOpenable(7), 7U);
}

TEST_F(OpenFilesTest, EachGetsItsShareAndOneIsLeftAnyway) {
  const size_t openable = CountOpenable(1000);
  EXPECT_EQ(ShareOpenable(1000, 1, 0), openable);
  EXPECT_EQ(ShareOpenable(1000, 4, 10), (openable - 10) / 4);
  EXPECT_EQ(ShareOpenable(3, 4, 10), 3U);
  EXPECT_EQ(ShareOpenable(1000, 4, 1000), 1U);
}

TEST_F(OpenFilesTest, TheEndOfThemIsToldWithTheLimit) {
  std::vector<File> files;
  for (size_t left = CountOpenable(1000); left > 0; --left) files.emplace_back(open("/", O_RDONLY | O_CLOEXEC));
  const auto refused = File::Open("/", O_RDONLY);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(IsOutOfFiles(refused.error()));
  EXPECT_NE(refused.error().message.find("'ulimit -n' is 100"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(IsOutOfFiles(SystemError(ENOENT, "x").error()));
}

}  // namespace
}  // namespace quire
