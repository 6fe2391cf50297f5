// SPDX-License-Identifier: Apache-2.0
// Goal: patterns match as the help says, and those that matched nothing are known.
#include "format/write/exclude_patterns.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

bool Matches(const char* glob, const char* path, bool is_directory = false) {
  ExcludePatterns patterns;
  patterns.Add(glob, glob);
  return patterns.Match(path, [&] { return is_directory; });
}

TEST(ExcludePatterns, ComparesNamesOrWholePaths) {
  EXPECT_TRUE(Matches("*.tmp", "a/b/x.tmp"));
  EXPECT_FALSE(Matches("b", "a/bb"));
  EXPECT_TRUE(Matches("a/*", "a/b"));
  EXPECT_FALSE(Matches("a/*", "a/b/c"));
  EXPECT_FALSE(Matches("a/*", "x/a/b"));
  EXPECT_TRUE(Matches("/a", "a"));
  EXPECT_FALSE(Matches("/a", "b/a"));
  EXPECT_TRUE(Matches("./a/b", "a/b"));
  EXPECT_FALSE(Matches("./a", "b/a"));
}

TEST(ExcludePatterns, TwoAsterisksAreAnyNumberOfDirectories) {
  for (const char* const path : {"x", "a/x", "a/b/c/x"}) EXPECT_TRUE(Matches("**/x", path)) << path;
  EXPECT_FALSE(Matches("**/x", "a/xx"));
  EXPECT_FALSE(Matches("**/x", "x/a"));
  for (const char* const path : {"a/b", "a/x/b", "a/x/y/b", "a/b/x/b"}) EXPECT_TRUE(Matches("a/**/b", path)) << path;
  for (const char* const path : {"a", "b", "a/b/x", "x/a/b", "ab"}) EXPECT_FALSE(Matches("a/**/b", path)) << path;
  EXPECT_TRUE(Matches("**/a/**/*.c", "x/a/y/z/main.c"));
  EXPECT_FALSE(Matches("**/a/**/*.c", "x/y/z/main.c"));
  // Names that match the glob behind "**" too early.
  EXPECT_TRUE(Matches("**/a/b", "a/x/a/a/b"));
  EXPECT_TRUE(Matches("a/**/b/**/c", "a/b/x/b/y/c"));
  EXPECT_FALSE(Matches("a/**/b/**/c", "a/b/x/b/y/d"));
  // As part of a name two are one.
  EXPECT_TRUE(Matches("a/x**", "a/xyz"));
  EXPECT_FALSE(Matches("a/x**", "a/x/y"));
}

TEST(ExcludePatterns, TwoAsterisksAtTheEndAreAllThatIsBelow) {
  for (const char* const path : {"a/b", "a/b/c", "a/.b"}) EXPECT_TRUE(Matches("a/**", path)) << path;
  for (const char* const path : {"a", "b/a", "b/a/c"}) EXPECT_FALSE(Matches("a/**", path)) << path;
  for (const char* const glob : {"**", "/**", "**/*"})
    for (const char* const path : {"a", "a/b"}) EXPECT_TRUE(Matches(glob, path)) << glob << " " << path;
  EXPECT_TRUE(Matches("**/", "a/b", true));
  EXPECT_FALSE(Matches("**/", "a/b", false));
  EXPECT_TRUE(Matches("a/**/", "a/b/c", true));
  EXPECT_FALSE(Matches("a/**/", "a/b/c", false));
}

TEST(ExcludePatterns, ASlashAtTheEndIsForDirectories) {
  EXPECT_TRUE(Matches("cache/", "a/cache", true));
  EXPECT_FALSE(Matches("cache/", "a/cache", false));
  EXPECT_TRUE(Matches("a/cache/", "a/cache", true));
  EXPECT_FALSE(Matches("a/cache/", "b/a/cache", true));
  EXPECT_FALSE(Matches("/cache/", "a/cache", true));
  EXPECT_TRUE(Matches("/cache/", "cache", true));
}

TEST(ExcludePatterns, AFileIsCoveredByItsDirectories) {
  ExcludePatterns patterns;
  patterns.Add("b/", "");
  EXPECT_TRUE(patterns.Cover("a/b/c"));
  EXPECT_FALSE(patterns.Cover("a/b"));
  EXPECT_FALSE(patterns.Cover("a/c"));
  EXPECT_FALSE(ExcludePatterns().Cover("a"));
}

TEST(ExcludePatterns, EachThatFitsAnEntryHasMatched) {
  ExcludePatterns patterns;
  for (const char* glob : {"*.tmp", "x*", "none", "x.tmp/"}) patterns.Add(glob, glob);
  EXPECT_TRUE(patterns.Match("x.tmp", [] { return false; }));
  EXPECT_FALSE(patterns.Match("y", [] { return false; }));
  EXPECT_TRUE(patterns.Cover("none"));
  EXPECT_EQ(patterns.Unmatched(), (std::vector<std::string>{"none matches nothing that the others leave",
                                                            "x.tmp/ matches nothing that the others leave"}));
}

}  // namespace
}  // namespace quire
