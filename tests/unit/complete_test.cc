// SPDX-License-Identifier: Apache-2.0
// Goal: completion follows the parser: what each word is, and what may stand where the last one does.
// Method: a small parser in the manner of the programs, and the words of lines half typed.
#include "tools/complete.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

using Kind = Completion::Kind;

class CompleteTest : public testing::Test {
 protected:
  CompleteTest() {
    Command mount = program_.root().AddSubcommand("mount", "Mounts");
    mount.Add("PACK", text_, "The pack");
    mount.Add("DIR", text_, "Where");
    mount.AddFlag("-f,--foreground", flag_, "Stays");
    mount.Add("-o,--options", list_, "Options").Type("OPTION,...").OneWord();
    mount.Add("--order", text_, "Which").OneOf({"random", "path"});
    mount.Add("--json", text_, "Where to").Type("FILE");
    Command pack = program_.root().AddSubcommand("pack", "Packs");
    pack.Add("--order", text_, "Order").Type("ORDER");
    pack.Add("--ignore", list_, "What").SeparatedBy(',').OneOf({"mode", "mtime", "owner"});
    Command cat = program_.root().AddSubcommand("cat", "Writes");
    cat.Add("PACK", text_, "The pack");
    cat.Add("PATH", list_, "Samples");
  }

  Completion Complete(const std::vector<std::string>& words) { return quire::Complete(program_.root(), words); }
  std::vector<std::string> Texts(const std::vector<std::string>& words) {
    std::vector<std::string> texts;
    for (const Candidate& candidate : Complete(words).candidates) texts.push_back(candidate.text);
    return texts;
  }

  using Strings = std::vector<std::string>;
  Program program_{"quire", ""};
  std::string text_;
  Strings list_;
  bool flag_ = false;
};

TEST_F(CompleteTest, SubcommandsAndOptionsCarryTheirDescriptions) {
  EXPECT_EQ(Complete({"m"}).candidates, (std::vector<Candidate>{{"mount", "Mounts"}}));
  EXPECT_EQ(Complete({"mount", "--fo"}).candidates, (std::vector<Candidate>{{"--foreground", "Stays"}}));
}

TEST_F(CompleteTest, ValuesAreCompletedWhereverTheyStand) {
  EXPECT_EQ(Texts({"mount", "--order", "r"}), Strings{"random"});
  EXPECT_EQ(Texts({"mount", "--order=r"}), Strings{"--order=random"});
  EXPECT_EQ(Texts({"mount", "-fo", "allow_o"}), Strings{"allow_other"});
  EXPECT_EQ(Texts({"mount", "-foallow_o"}), Strings{"-foallow_other"});
  EXPECT_EQ(Complete({"mount", "--json", ""}).kind, Kind::kFiles);
  EXPECT_EQ(Complete({"mount", "--json=x"}).prefix, "--json=");
}

TEST_F(CompleteTest, TheLastOfSeveralValuesIsCompleted) {
  EXPECT_EQ(Texts({"pack", "--ignore", "mode,m"}), (Strings{"mode,mode", "mode,mtime"}));
  EXPECT_EQ(Texts({"pack", "--ignore=o"}), Strings{"--ignore=owner"});
}

TEST_F(CompleteTest, AnOrderIsAWordANumberOrAFile) {
  EXPECT_EQ(Texts({"pack", "--order", ""}), (Strings{"path", "shuffle:", "list:", "list0:"}));
  EXPECT_EQ(Texts({"pack", "--order=s"}), Strings{"--order=shuffle:"});
  const Completion list = Complete({"pack", "--order=list0:a"});
  EXPECT_EQ(list.kind, Kind::kFiles);
  EXPECT_EQ(list.prefix, "--order=list0:");
}

TEST_F(CompleteTest, TheLastOfTheMountOptionsIsCompleted) {
  EXPECT_EQ(Texts({"mount", "-o", "ro,huge=h"}), Strings{"ro,huge=hugetlb"});
  EXPECT_EQ(Texts({"mount", "-o", "ro,cache_s"}), Strings{"ro,cache_size="});
  EXPECT_EQ(Texts({"mount", "-o", "x-"}), Strings{});  // "x-*" is no option that one can give
  const Completion log = Complete({"mount", "-o", "ro,log_file=/var"});
  EXPECT_EQ(log.kind, Kind::kFiles);
  EXPECT_EQ(log.prefix, "ro,log_file=");
}

TEST_F(CompleteTest, OptionsAndTheirValuesAreNoPositionals) {
  EXPECT_EQ(Complete({"mount", "-f", "--order", "path", "-o", "ro", ""}).pattern, "*.quire");
  EXPECT_EQ(Complete({"mount", "-f", "--order=path", "a.quire", ""}).kind, Kind::kDirectories);
  EXPECT_EQ(Texts({"mount", "a.quire", "dir", "--ord"}), Strings{"--order"});
  EXPECT_EQ(Texts({"mount", "--", "--ord"}), Strings{});
  EXPECT_EQ(Complete({"mount", "--", "-f", ""}).kind, Kind::kDirectories);
}

TEST_F(CompleteTest, APackBeforeAFolderIsMounted) {
  EXPECT_EQ(Complete({"./a"}).pattern, "*.quire");
  EXPECT_EQ(Complete({"a.quire", ""}).kind, Kind::kDirectories);
  EXPECT_EQ(Texts({"a.quire", "dir", "-o", "allow_o"}), Strings{"allow_other"});
}

TEST_F(CompleteTest, WhatIsNoPackHasNoEntries) {
  for (const char* const pack : {"", "/", "/dev/null", "/etc/passwd", "missing.quire"}) {
    EXPECT_EQ(Texts({"cat", pack, ""}), Strings{}) << pack;
    EXPECT_EQ(Texts({"mount", pack, "dir", "-o", "subdir="}), Strings{}) << pack;
  }
}

TEST_F(CompleteTest, WordsThatMakeNoSenseAreSurvived) {
  EXPECT_EQ(Texts({}), Strings{});
  for (const char* const word : {"--", "-", "=", ",", "--=", "-o=", "--nope=", "-x", "\n", "\xff"})
    for (const char* const last : {"", "-", "--", "=", ",", "o=,=", "--order", "-oro,huge"}) {
      Complete({word, last});
      Complete({"mount", word, last});
      Complete({"mount", "-o", word, last});
    }
}

}  // namespace
}  // namespace quire
