// SPDX-License-Identifier: Apache-2.0
// Goal: a PATH of the command line means the entries that a shell would find on a mount, each once, and no other.
#include "tools/extract/entry_patterns.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class EntryPatterns : public testing::Test {
 protected:
  EntryPatterns() {
    tree_.AddFile("train/a/1.jpg", "1")
        .AddFile("train/a/.hidden.jpg", "2")
        .AddFile("train/b/1.png", "3")
        .AddFile("train/b/c/1.jpg", "4")
        .AddFile("train/[x]", "5")
        .AddFile("x", "6")
        .AddFile("zz/first", "7")
        .AddHardLink("zz/second", "zz/first")
        .AddSymlink("link", "train")
        .WriteTo(folder_ / "pack");
    pack_ = ValueOrDie(Pack::Open(folder_ / "pack"));
  }

  std::vector<std::string> Find(const std::string& pattern) {
    const auto found = FindEntries(pack_->index(), pattern);
    if (!found) return {found.error().code == ErrorCode::kNotFound ? "(none)" : found.error().message};
    std::vector<std::string> paths;
    for (const NodeNumber number : *found) paths.push_back(ValueOrDie(pack_->index().GetPath(number)));
    std::ranges::sort(paths);
    return paths;
  }
  using Paths = std::vector<std::string>;

  TemporaryFolder folder_;
  MemoryTree tree_;
  std::unique_ptr<Pack> pack_;
};

TEST_F(EntryPatterns, PathsMeanOneEntry) {
  EXPECT_EQ(Find(""), Paths{""});
  EXPECT_EQ(Find("/train/a/"), Paths{"train/a"});
  EXPECT_EQ(Find("train/b/../a/1.jpg"), Paths{"train/a/1.jpg"});
  EXPECT_EQ(Find("link/a"), Paths{"train/a"});
  EXPECT_EQ(Find("link"), Paths{"link"});
  EXPECT_EQ(Find("no/such"), Paths{"(none)"});
}

TEST_F(EntryPatterns, TheNameOfAHardLinkIsTheOneAskedFor) {
  EXPECT_EQ(Find("zz/first"), Paths{"zz/first"});
  EXPECT_EQ(Find("zz/second"), Paths{"zz/second"});
}

TEST_F(EntryPatterns, WildcardsStayInsideOneName) {
  EXPECT_EQ(Find("train/*/1.jpg"), Paths{"train/a/1.jpg"});
  EXPECT_EQ(Find("train/*/*.jpg"), (Paths{"train/a/.hidden.jpg", "train/a/1.jpg"}));
  EXPECT_EQ(Find("train/[ab]"), (Paths{"train/a", "train/b"}));
  EXPECT_EQ(Find("?"), Paths{"x"});
  EXPECT_EQ(Find("link/?/*.png"), Paths{"train/b/1.png"});
  EXPECT_EQ(Find("*/1.jpg"), Paths{"(none)"});
  EXPECT_EQ(Find("x/*"), Paths{"(none)"});
}

TEST_F(EntryPatterns, TwoStarsAreAnyFolders) {
  EXPECT_EQ(Find("**/1.jpg"), (Paths{"train/a/1.jpg", "train/b/c/1.jpg"}));
  EXPECT_EQ(Find("train/**/b/**/1.*"), (Paths{"train/b/1.png", "train/b/c/1.jpg"}));
  EXPECT_EQ(Find("**/**/x"), Paths{"x"});
  EXPECT_EQ(Find("train/**"), Paths{"train"});
}

TEST_F(EntryPatterns, WhatIsThereAsItStandsComesFirst) {
  EXPECT_EQ(Find("train/[x]"), Paths{"train/[x]"});
  EXPECT_EQ(Find("train/\\[x]"), Paths{"train/[x]"});
  EXPECT_EQ(Find("[x]"), Paths{"x"});
}

}  // namespace
}  // namespace quire
