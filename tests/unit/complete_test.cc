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
    CLI::App* const mount = app_.add_subcommand("mount", "Mounts");
    mount->add_option("PACK", text_, "The pack");
    mount->add_option("DIR", text_, "Where");
    mount->add_flag("-f,--foreground", flag_, "Stays");
    mount->add_option("-o,--options", list_, "Options")->type_name("OPTION,...")->allow_extra_args(false);
    mount->add_option("--order", text_, "Which")->check(CLI::IsMember({"random", "path"}));
    mount->add_option("--json", text_, "Where to")->type_name("FILE");
    CLI::App* const pack = app_.add_subcommand("pack", "Packs");
    pack->add_option("--order", text_, "Order")->type_name("ORDER");
    pack->add_option("--ignore", list_, "What")->delimiter(',')->check(CLI::IsMember({"mode", "mtime", "owner"}));
    CLI::App* const cat = app_.add_subcommand("cat", "Writes");
    cat->add_option("PACK", text_, "The pack");
    cat->add_option("PATH", list_, "Samples");
  }

  Completion Complete(const std::vector<std::string>& words) { return quire::Complete(app_, words); }
  std::vector<std::string> Texts(const std::vector<std::string>& words) {
    std::vector<std::string> texts;
    for (const Candidate& candidate : Complete(words).candidates) texts.push_back(candidate.text);
    return texts;
  }

  using Strings = std::vector<std::string>;
  CLI::App app_{"", "quire"};
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
