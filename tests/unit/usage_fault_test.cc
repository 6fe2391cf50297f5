// SPDX-License-Identifier: Apache-2.0
// Goal: a wrong command line is told with the command it was meant for, the word at fault and the nearest right one.
#include "tools/usage_fault.h"

#include <gtest/gtest.h>

#include <ranges>

#include "tools/command_help.h"

namespace quire {
namespace {

class UsageFaultTest : public testing::Test {
 protected:
  UsageFaultTest() {
    Command pack = program_.root().AddSubcommand("pack", "Packs");
    pack.Add("SRC", text_, "The source").Required();
    pack.Add("-o,--output", text_, "Where to").Required().Type("OUT");
    pack.Add("--jobs", number_, "How many").Range(1, 9);
    program_.root().AddSubcommand("umount", "Unmounts").Add("DIR", list_, "Where");
    program_.root().AddSubcommand("ls", "Lists").AddFlag("-l", flag_, "Long");
  }

  // "quire ls: message", of the first fault that either finds.
  std::string Refusal(const std::vector<std::string>& words) {
    auto fault = FindUsageFault(program_.root(), words);
    if (!fault) {
      const auto parsed = program_.Parse(words);
      if (parsed) return "accepted";
      fault = ExplainParseFault(program_.root(), words, parsed.error());
    }
    return fault->program + ": " + fault->message;
  }

  Program program_{"quire", ""};
  std::string text_;
  std::vector<std::string> list_;
  unsigned number_ = 0;
  bool flag_ = false;
};

TEST_F(UsageFaultTest, ACommandThatThereIsNotNamesTheNearest) {
  EXPECT_EQ(Refusal({"pakc", "x"}), "quire: there is no command 'pakc'; did you mean 'pack'?");
  EXPECT_EQ(Refusal({"unmount", "--help"}), "quire: there is no command 'unmount'; did you mean 'umount'?");
  EXPECT_EQ(Refusal({"list"}), "quire: there is no command 'list'; did you mean 'ls'?");
  EXPECT_EQ(Refusal({"frobnicate"}), "quire: there is no command 'frobnicate'");
}

TEST_F(UsageFaultTest, AnArgumentThatIsEmptyIsNamed) {
  EXPECT_EQ(Refusal({"pack", ""}), "quire pack: SRC is empty");
  EXPECT_EQ(Refusal({"umount", "a", ""}), "quire umount: DIR is empty");
  EXPECT_EQ(Refusal({"ls", ""}), "quire ls: an argument is empty");
  EXPECT_EQ(Refusal({"pack", "--output", "", "a"}), "accepted") << "a value is the command's to judge";
}

TEST_F(UsageFaultTest, WordsOfOthersAreForCommandsThatThereAre) {
  EXPECT_EQ(Refusal({"compare"}), "quire: there is no command 'compare'");
}

TEST_F(UsageFaultTest, NoCommandAtAllNamesThemAll) {
  EXPECT_EQ(Refusal({}), "quire: name a command: pack, umount, ls");
}

TEST_F(UsageFaultTest, AnOptionThatThereIsNotNamesTheNearest) {
  EXPECT_EQ(Refusal({"pack", "--job", "3"}), "quire pack: there is no option '--job'; did you mean '--jobs'?");
  EXPECT_EQ(Refusal({"pack", "--out=x"}), "quire pack: there is no option '--out'");
  EXPECT_EQ(Refusal({"ls", "-lx"}), "quire ls: there is no option '-x'");
  EXPECT_EQ(Refusal({"--jobs"}), "quire: there is no option '--jobs'");
}

TEST_F(UsageFaultTest, WhatFollowsADoubleDashIsNoOption) { EXPECT_EQ(Refusal({"umount", "--", "--job"}), "accepted"); }

TEST_F(UsageFaultTest, WhatIsMissingIsToldWithTheUsage) {
  EXPECT_EQ(Refusal({"pack"}), "quire pack: SRC is required; usage: quire pack SRC -o OUT [OPTION]...");
  EXPECT_EQ(Refusal({"pack", "a", "-o"}), "quire pack: -o,--output needs a value");
  Command compact = program_.root().AddSubcommand("compact", "Makes one generation");
  Option output = compact.Add("-o,--output", text_, "Where to").Required().Type("OUT");
  compact.AddFlag("--in-place", flag_, "In place").Replaces(output);
  EXPECT_EQ(Refusal({"compact"}),
            "quire compact: --output is required; usage: quire compact (-o OUT | --in-place) [OPTION]...");
}

TEST_F(UsageFaultTest, OneArgumentTooManyIsNamed) {
  EXPECT_EQ(Refusal({"pack", "a", "-o", "b", "c", "d"}), "quire pack: one argument too many: 'c'");
}

TEST_F(UsageFaultTest, HelpFitsEightyColumnsAndShowsWhatMustBeGiven) {
  Command extract =
      program_.root().AddSubcommand("extract", "Writes entries of a pack as files, with all that they had there");
  extract.Add("PACK", text_, "The pack").Required();
  extract.Add("PATH", list_, "Entries");
  extract.Add("-C,--directory", text_, "Where to").Required().Type("DIR");
  text_ = "a";
  extract.Add("--order", text_, "Which").OneOf({"a", "b"}).ShowDefault();
  extract.Add("--jobs", number_, "How many").Range(1, 9);
  const std::string help = FormatHelp(extract);
  EXPECT_TRUE(help.starts_with("Usage: quire extract PACK [PATH]... -C DIR [OPTION]...\n")) << help;
  for (const auto line : std::views::split(help, '\n')) EXPECT_LE(line.size(), 80U);
  EXPECT_TRUE(help.contains("  --order a|b           Which (default a)\n")) << help;
  EXPECT_TRUE(help.contains("  --jobs N              How many (1 to 9)\n")) << help;
  EXPECT_TRUE(FormatHelp(program_.root()).starts_with("Usage: quire COMMAND [ARGUMENT]...\n"));
}

}  // namespace
}  // namespace quire
