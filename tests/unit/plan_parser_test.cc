// SPDX-License-Identifier: Apache-2.0
// Goal: every way to name samples names the right ones in order, in whatever pieces it comes; what names none is
// counted and tells itself; and no bytes at all do any harm.
#include "fs/feed/plan_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "format/coding.h"
#include "format/pack/path_resolver.h"
#include "fs/inodes.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

using Nodes = std::vector<NodeNumber>;

constexpr std::string_view kMountPoint = "/mnt/data";

class PlanParserTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    MemoryTree tree;
    tree.AddFile("a", "1").AddFile("b", "2").AddFile("d/c", "3").AddFile("d/empty", "").AddFile("i", "4");
    tree.AddFile("two\nlines", "5").AddFile("large", Noise(kPageBytes + 1, 6)).AddFile("mnt/data/a", "7");
    tree.AddFile("base/a", "8");
    tree.AddSymlink("link", "d/c")
        .AddSymlink("dangling", "nowhere")
        .AddSymlink("loop", "loop")
        .AddHardLink("hard", "a");
    folder_ = new TemporaryFolder();
    tree.WriteTo(*folder_ / "pack");
    pack_ = ValueOrDie(Pack::Open(*folder_ / "pack")).release();
  }
  static void TearDownTestSuite() {
    delete pack_;
    delete folder_;
  }

  static const Index& index() { return pack_->index(); }
  static NodeNumber At(const std::string& path) { return ValueOrDie(ResolvePath(index(), path, LastSymlink::kFollow)); }
  static std::string Binary(const std::vector<uint64_t>& inodes) {
    std::string bytes(kBinaryPlanMark);
    for (const uint64_t inode : inodes) {
      std::array<std::byte, 8> encoded = {};
      StoreUint<8>(encoded, 0, inode);
      bytes.append(reinterpret_cast<const char*>(encoded.data()), encoded.size());
    }
    return bytes;
  }

  struct Outcome {
    Nodes nodes;
    uint64_t unknown = 0;
    std::string first_unknown;
    bool operator==(const Outcome&) const = default;
  };
  // `pieces` are one plan.
  static Outcome Parse(const std::vector<std::string>& pieces) {
    Outcome outcome;
    PlanParser parser(index(), 0, std::string(kMountPoint), [&](NodeNumber node) { outcome.nodes.push_back(node); });
    for (const std::string& piece : pieces) parser.Feed(piece);
    parser.End();
    outcome.unknown = parser.unknown();
    outcome.first_unknown = parser.first_unknown();
    return outcome;
  }
  static Nodes Known(const std::string& plan) {
    const Outcome outcome = Parse({plan});
    EXPECT_EQ(outcome.unknown, 0U) << outcome.first_unknown;
    return outcome.nodes;
  }
  static std::string FirstUnknown(const std::string& plan) {
    const Outcome outcome = Parse({plan});
    EXPECT_EQ(outcome.nodes, Nodes());
    EXPECT_EQ(outcome.unknown, 1U);
    return outcome.first_unknown;
  }

 private:
  static inline TemporaryFolder* folder_ = nullptr;
  static inline Pack* pack_ = nullptr;
};

// A string with the NULs in it.
template <size_t kBytes>
std::string Text(const char (&text)[kBytes]) {
  return {text, kBytes - 1};
}

TEST_F(PlanParserTest, LinesNameSamplesInOrder) {
  EXPECT_EQ(Known("d/c\na\nb\na\n"), (Nodes{At("d/c"), At("a"), At("b"), At("a")}));
}

TEST_F(PlanParserTest, NulsEndNamesThatHoldNewlines) {
  EXPECT_EQ(Known(Text("a\0two\nlines\0d/c\0")), (Nodes{At("a"), At("two\nlines"), At("d/c")}));
}

TEST_F(PlanParserTest, TheFirstEndDecidesForTheWholePlan) {
  const Outcome outcome = Parse({Text("a\nd/c\0b\nb\n")});
  EXPECT_EQ(outcome.nodes, (Nodes{At("a"), At("b")}));
  EXPECT_EQ(outcome.first_unknown, Text("d/c\0b"));
}

TEST_F(PlanParserTest, TheLastEntryNeedsNoEnd) {
  EXPECT_EQ(Known("a\nb"), (Nodes{At("a"), At("b")}));
  EXPECT_EQ(Known(Text("a\0b")), (Nodes{At("a"), At("b")}));
  EXPECT_EQ(Known("a"), Nodes{At("a")});
}

TEST_F(PlanParserTest, EmptyEntriesAndPlansNameNothing) {
  EXPECT_EQ(Known(""), Nodes());
  EXPECT_EQ(Known("\n\na\n\n"), Nodes{At("a")});
  EXPECT_EQ(Known(Text("\0")), Nodes());
  EXPECT_EQ(Known(Text("\0\0a\0\0")), Nodes{At("a")});
}

// A name that begins as the mark of a binary plan does.
TEST_F(PlanParserTest, ALeadingNulThatIsNoMarkIsAnEmptyEntry) {
  EXPECT_EQ(Known(Text("\0i")), Nodes{At("i")});
  EXPECT_EQ(Known(Text("\0i\0a")), (Nodes{At("i"), At("a")}));
}

TEST_F(PlanParserTest, SlashesAndDotsInFrontChangeNothing) {
  EXPECT_EQ(Known("/a\n./a\n//a\n/./d/c\n"), (Nodes{At("a"), At("a"), At("a"), At("d/c")}));
}

TEST_F(PlanParserTest, TheMountPointInFrontMeansWhatItMeansOutside) {
  EXPECT_EQ(Known("/mnt/data/a\n/mnt/data/d/c\n"), (Nodes{At("a"), At("d/c")}));
  EXPECT_EQ(Known("/mnt/data//a\n"), Nodes{At("a")});
}

TEST_F(PlanParserTest, OnlyTheWholeMountPointIsCutOff) {
  EXPECT_EQ(FirstUnknown("/mnt/database/a\n"), "/mnt/database/a");
  EXPECT_EQ(FirstUnknown("/mnt/data\n"), "/mnt/data");
  EXPECT_EQ(Known("mnt/data/a\n"), Nodes{At("mnt/data/a")}) << "relative: below the root of the mount";
}

TEST_F(PlanParserTest, UnknownEntriesAreCountedAndTheFirstIsKept) {
  const Outcome outcome = Parse({"a\nnone\nb\nd/none\na/b\n"});
  EXPECT_EQ(outcome.nodes, (Nodes{At("a"), At("b")}));
  EXPECT_EQ(outcome.unknown, 3U);
  EXPECT_EQ(outcome.first_unknown, "none");
}

TEST_F(PlanParserTest, WhatIsNoSampleIsUnknown) {
  for (const char* const path : {"d", "/", ".", "..", "dangling", "loop", "d/"}) EXPECT_EQ(FirstUnknown(path), path);
}

TEST_F(PlanParserTest, LinksMeanTheSampleThatTheyLeadTo) {
  EXPECT_EQ(Known("link\nhard\n"), (Nodes{At("d/c"), At("a")}));
}

TEST_F(PlanParserTest, SamplesOfEverySizeAreSamples) {
  EXPECT_EQ(Known("d/empty\nlarge\n"), (Nodes{At("d/empty"), At("large")}));
}

TEST_F(PlanParserTest, InodesAreThoseOfStat) {
  EXPECT_EQ(Known(Binary({InodeOf(At("d/c")), InodeOf(At("a"))})), (Nodes{At("d/c"), At("a")}));
}

TEST_F(PlanParserTest, InodesThatAreNoSamplesAreUnknown) {
  EXPECT_EQ(FirstUnknown(Binary({0})), "inode 0");
  EXPECT_EQ(FirstUnknown(Binary({~uint64_t{0}})), fmt::format("inode {}", ~uint64_t{0}));
  EXPECT_EQ(FirstUnknown(Binary({index().node_count() + 1})), fmt::format("inode {}", index().node_count() + 1));
  EXPECT_EQ(FirstUnknown(Binary({1})), "inode 1") << "the root";
}

TEST_F(PlanParserTest, ABinaryPlanThatIsCutShortTellsSo) {
  const std::string plan = Binary({InodeOf(At("a")), InodeOf(At("b"))});
  for (size_t left_out = 1; left_out < 8; ++left_out) {
    const Outcome outcome = Parse({plan.substr(0, plan.size() - left_out)});
    EXPECT_EQ(outcome.nodes, Nodes{At("a")});
    EXPECT_EQ(outcome.unknown, 1U);
    EXPECT_EQ(outcome.first_unknown, "an inode number that is cut short");
  }
}

TEST_F(PlanParserTest, EntriesThatAreTooLongAreCountedOnceAndTheNextIsTaken) {
  for (const char end : {'\n', '\0'}) {
    const std::string plan = std::string(100'000, 'x') + end + "a" + end + std::string(9000, 'y') + end + "b" + end;
    const Outcome outcome = Parse({plan});
    EXPECT_EQ(outcome.nodes, (Nodes{At("a"), At("b")}));
    EXPECT_EQ(outcome.unknown, 2U);
    EXPECT_LT(outcome.first_unknown.size(), 1000U) << "it goes into the log";
  }
}

// Two parts of the longest path that programs can name, and nothing longer, whatever it says.
TEST_F(PlanParserTest, APathMayBeTwiceAsLongAsPathsCanBe) {
  std::string longest;
  while (longest.size() < 8190) longest += "./";
  EXPECT_EQ(Known(longest + "/a\n"), Nodes{At("a")});
  EXPECT_EQ(Parse({longest + ".//a\n"}).unknown, 1U);
}

// Every split of `plan` in two and in three, and into single bytes.
TEST_F(PlanParserTest, PiecesMakeNoDifference) {
  const std::vector<std::string> plans = {
      "a\nd/c\nnone\n\n/mnt/data/b\n",
      Text("a\0two\nlines\0none\0b"),
      Text("\0inode"),
      Text("\0i\0a"),
      Binary({InodeOf(At("a")), 0, InodeOf(At("b"))}),
      Binary({InodeOf(At("a"))}) + "cut",
  };
  for (const std::string& plan : plans) {
    SCOPED_TRACE(testing::PrintToString(plan));
    const Outcome whole = Parse({plan});
    std::vector<std::string> bytes;
    for (const char byte : plan) bytes.emplace_back(1, byte);
    EXPECT_TRUE(Parse(bytes) == whole);
    for (size_t i = 0; i <= plan.size(); ++i) {
      EXPECT_TRUE(Parse({plan.substr(0, i), plan.substr(i)}) == whole) << i;
      for (size_t j = i; j <= plan.size(); ++j)
        EXPECT_TRUE(Parse({plan.substr(0, i), plan.substr(i, j - i), plan.substr(j)}) == whole) << i << " " << j;
    }
  }
}

TEST_F(PlanParserTest, PiecesOfEntriesThatAreTooLongMakeNoDifference) {
  const std::string too_long(9000, 'x');
  std::string dots;  // leads to a sample, but for its length
  while (dots.size() < 9000) dots += "./";
  const std::vector<std::string> plans = {
      too_long + "\na\n",        "a\n" + too_long + "\nb\n" + too_long,
      dots + "a\nb\n",           too_long + Binary({InodeOf(At("a"))}),  // not a mark where an entry has begun
      too_long + Text("\0i\0a"),
  };
  for (const std::string& plan : plans) {
    const Outcome whole = Parse({plan});
    for (const size_t at : {size_t{1}, size_t{8191}, size_t{8192}, size_t{8193}, size_t{8999}, size_t{9000},
                            size_t{9001}, size_t{9002}, size_t{9003}, plan.size() - 1}) {
      const Outcome split = Parse({plan.substr(0, at), plan.substr(at)});
      EXPECT_EQ(split.nodes, whole.nodes) << at;
      EXPECT_EQ(split.unknown, whole.unknown) << at;
      EXPECT_EQ(split.first_unknown.substr(0, 100), whole.first_unknown.substr(0, 100)) << at;
    }
  }
}

TEST_F(PlanParserTest, EachPlanHasAFormOfItsOwnAndTheCountsGoOn) {
  Nodes nodes;
  PlanParser parser(index(), 0, std::string(kMountPoint), [&](NodeNumber node) { nodes.push_back(node); });
  for (const std::string& plan : {std::string("a\nnone\n"), Text("a\0two\nlines\0none\0"),
                                  Binary({InodeOf(At("b")), 0}), std::string(9000, 'x'), std::string("d/c")}) {
    parser.Feed(plan);
    parser.End();
  }
  EXPECT_EQ(nodes, (Nodes{At("a"), At("a"), At("two\nlines"), At("b"), At("d/c")}));
  EXPECT_EQ(parser.unknown(), 4U);
  EXPECT_EQ(parser.first_unknown(), "none");
}

// Random bytes, and those that mean something, in random pieces.
TEST_F(PlanParserTest, GarbageDoesNoHarm) {
  const std::vector<std::string> words = {
      "a",          "/",    "\n", Text("\0"), "..", std::string(kBinaryPlanMark), "loop", std::string(5000, 'x'),
      "/mnt/data/", "link", "d/c"};
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    PlanParser parser(index(), 0, std::string(kMountPoint),
                      [](NodeNumber node) { EXPECT_TRUE(ValueOrDie(index().GetNode(node)).is_sample()); });
    for (uint64_t piece = random() % 20; piece > 0; --piece) {
      parser.Feed(random() % 3 == 0 ? Noise(random() % 100, random()) : words[random() % words.size()]);
      if (random() % 16 == 0) parser.End();
    }
    parser.End();
    EXPECT_LE(parser.first_unknown().size(), 1000U);
  }
}

}  // namespace
}  // namespace quire
