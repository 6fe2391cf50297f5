// SPDX-License-Identifier: Apache-2.0
// Goal: what a packer left that died is removed, and nothing else is: no file of a packer that lives, no whole pack.
#include "format/write/leftovers.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/memory_tree.h"

namespace quire {
namespace {

bool Exists(const std::string& path) { return std::filesystem::exists(path); }

std::string WholePack(const TemporaryFolder& folder) {
  MemoryTree tree;
  tree.AddFile("a", "content");
  tree.WriteTo(folder / "whole");
  return ReadFile(folder / "whole");
}

TEST(Leftovers, WhatWasBegunIsRemoved) {
  const TemporaryFolder folder;
  const std::string pack = WholePack(folder);
  const std::string empty = folder / TemporaryNameFor("");
  const std::string begun = folder / TemporaryNameFor("out.quire");
  const std::string cut = folder / TemporaryNameFor("out.quire");
  WriteFile(empty, "");
  WriteFile(begun, std::string(20'000, '\0'));
  WriteFile(cut, pack.substr(0, pack.size() - 1));
  EXPECT_EQ(RemoveLeftovers({folder.path()}).size(), 3U);
  for (const std::string& path : {empty, begun, cut}) EXPECT_FALSE(Exists(path)) << path;
  EXPECT_TRUE(Exists(folder / "whole"));
}

TEST(Leftovers, AFileOfALivingPackerStays) {
  const TemporaryFolder folder;
  const std::string path = folder / TemporaryNameFor("out.quire");
  WriteFile(path, "");
  {
    const auto file = ValueOrDie(File::Open(path, O_RDWR));
    EXPECT_TRUE(MarkAlive(file));
    EXPECT_TRUE(RemoveLeftovers({folder.path()}).empty());
    EXPECT_FALSE(MarkAlive(ValueOrDie(File::Open(path, O_RDWR)))) << "two packers may write one file";
    EXPECT_TRUE(Exists(path));
  }
  EXPECT_EQ(RemoveLeftovers({folder.path()}).size(), 1U);
  EXPECT_FALSE(Exists(path));
}

TEST(Leftovers, AWholePackIsToldAndStays) {
  const TemporaryFolder folder;
  const std::string name = TemporaryNameFor("out.quire");
  WriteFile(folder / name, WholePack(folder));
  const auto told = RemoveLeftovers({folder.path()});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find(name + " is a finished pack"), std::string::npos) << told[0];
  EXPECT_TRUE(Exists(folder / name));
}

// Its packer died between link(2) and unlink(2).
TEST(Leftovers, ASecondNameOfAPackIsRemoved) {
  const TemporaryFolder folder;
  WholePack(folder);
  const std::string second = folder / TemporaryNameFor("whole");
  std::filesystem::create_hard_link(folder / "whole", second);
  EXPECT_EQ(RemoveLeftovers({folder.path()}).size(), 1U);
  EXPECT_FALSE(Exists(second));
  EXPECT_TRUE(Exists(folder / "whole"));
}

// Nobody can tell here whether the packer of another machine, which writes to the same server, lives.
TEST(Leftovers, WhatMayBeAnotherMachinesIsToldAndStays) {
  const TemporaryFolder folder;
  std::string name = TemporaryNameFor("out.quire");
  char& digit = name[name.find('-') + 1];
  digit = digit == '0' ? '1' : '0';
  WriteFile(folder / name, "");
  const auto told = RemoveLeftovers({folder.path()});
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find(name), std::string::npos) << told[0];
  EXPECT_NE(told[0].find("another machine"), std::string::npos) << told[0];
  EXPECT_TRUE(Exists(folder / name));
}

TEST(Leftovers, OtherNamesAreNobodysBusiness) {
  const TemporaryFolder folder;
  const std::string temporary = TemporaryNameFor("out.quire");
  const std::vector<std::string> names = {".quire",
                                          ".quire-extract-0123456789abcdef0123456789abcdef",
                                          ".quire-0123456789abcdef0123456",
                                          ".quire-0123456789abcdef012345678",
                                          "x" + temporary,
                                          ".quire-0123456789ABCDEF01234567-x"};
  for (const std::string& name : names) WriteFile(folder / name, "");
  std::filesystem::create_directory(folder / temporary);
  std::filesystem::create_symlink("x", folder / TemporaryNameFor("link"));
  EXPECT_TRUE(RemoveLeftovers({folder.path(), folder / "none"}).empty());
  for (const std::string& name : names) EXPECT_TRUE(Exists(folder / name)) << name;
  EXPECT_TRUE(Exists(folder / temporary));
}

}  // namespace
}  // namespace quire
