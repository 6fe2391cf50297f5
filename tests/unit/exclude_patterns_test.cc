// Goal: patterns match as the help says, and those that matched nothing are known.
#include "format/exclude_patterns.h"

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
  EXPECT_EQ(patterns.Unmatched(), (std::vector<std::string>{"none", "x.tmp/"}));
}

}  // namespace
}  // namespace quire
