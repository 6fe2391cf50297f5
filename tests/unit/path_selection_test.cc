// SPDX-License-Identifier: Apache-2.0
// Goal: a list of paths selects what it names and what leads there, and what is not there is known.
#include "format/write/path_selection.h"

#include <gtest/gtest.h>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

std::unique_ptr<PathSelection> Parse(std::string list) {
  return ValueOrDie(PathSelection::Parse(std::move(list), false, "LIST"));
}

TEST(PathSelection, HasWhatIsNamedAndWhatLeadsThere) {
  const auto selection = Parse("a/b\n./c//\n");
  for (const char* path : {"a", "a/b", "c"}) EXPECT_TRUE(selection->Has(path)) << path;
  for (const char* path : {"b", "a/bb", "a/b/x", "cc"}) EXPECT_FALSE(selection->Has(path)) << path;
  for (const char* path : {"a/b", "c", "c/d/e"}) EXPECT_TRUE(selection->HasAllBelow(path)) << path;
  for (const char* path : {"", "a", "a/bb", "cc"}) EXPECT_FALSE(selection->HasAllBelow(path)) << path;
}

TEST(PathSelection, ADotIsAll) {
  const auto selection = Parse(".\n");
  EXPECT_TRUE(selection->HasAllBelow(""));
  EXPECT_TRUE(selection->HasAllBelow("a/b"));
  EXPECT_TRUE(selection->Missing().empty());
}

TEST(PathSelection, WhatNobodyAskedForIsMissing) {
  const auto selection = Parse("z\na/b\na/c\n");
  EXPECT_TRUE(selection->Has("a"));
  EXPECT_TRUE(selection->Has("a/c"));
  EXPECT_EQ(selection->Missing(), (std::vector<std::string>{"a/b", "z"}));
}

TEST(PathSelection, RefusesWhatIsNotBelowTheRoot) {
  for (const char* list : {"/a", "a/../b", "..", "a//b", "a/./b", "", "\n"}) {
    const auto parsed = PathSelection::Parse(list, false, "LIST");
    ASSERT_FALSE(parsed.has_value()) << list;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_TRUE(parsed.error().message.starts_with("LIST: ")) << parsed.error().message;
  }
}

}  // namespace
}  // namespace quire
