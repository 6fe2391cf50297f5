// SPDX-License-Identifier: Apache-2.0
// Goal: the orders of FORMAT.md and the help, the same on every machine.
#include "format/write/sample_order.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "format/write/tree_scanner.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class SampleOrderTest : public testing::Test {
 protected:
  SampleOrderTest() {
    for (const char* path : {"b/2", "b/1", "a", "c", "b/a/x"}) {
      std::filesystem::create_directories(std::filesystem::path(source_ / path).parent_path());
      WriteFile(source_ / path, path);
    }
    std::filesystem::create_hard_link(source_ / "b/1", source_ / "b/second name of 1");
    std::filesystem::create_symlink("c", source_ / "symlink");
    Scan(tables_);
  }
  void Scan(IndexTables& tables) {
    WorkerPool pool(2);
    const SourceRoot root = ValueOrDie(SourceRoot::Open(source_.path()));
    const ScanOptions options{.on_unreadable = [](const auto&, const auto&) { FAIL(); }};
    Spool<SourceIdentity> identities(scratch_.path());
    ValueOrDie(ScanTree(root, options, pool, tables, identities));
  }
  Result<std::vector<std::string>> OrderByList(const std::string& list, bool nul_separated = false) {
    WriteFile(scratch_ / "list", list);
    return Order({.order = PackOrder::kList, .list_file = scratch_ / "list", .nul_separated = nul_separated});
  }
  Result<std::vector<std::string>> Order(const SampleOrder& order) {
    Spool<NodeNumber> samples(scratch_.path());
    if (auto ordered = OrderSamples(order, tables_, samples); !ordered) return Propagate(std::move(ordered));
    std::vector<std::string> paths;
    paths.reserve(samples.size());
    for (uint64_t i = 0; i < samples.size(); ++i) paths.push_back(tables_.PathOf(samples[i]));
    return paths;
  }

  TemporaryFolder source_;
  TemporaryFolder scratch_;
  IndexTables tables_{scratch_.path()};
};

TEST_F(SampleOrderTest, PathOrderIsDepthFirstByName) {
  EXPECT_EQ(Order({}).value(), (std::vector<std::string>{"a", "b/1", "b/2", "b/a/x", "c"}));
}

TEST_F(SampleOrderTest, AShuffleIsFixedByItsSeed) {
  const SampleOrder order{.order = PackOrder::kShuffle, .seed = 7, .list_file = ""};
  EXPECT_EQ(Order(order).value(), (std::vector<std::string>{"b/1", "b/a/x", "c", "b/2", "a"}));
}

TEST_F(SampleOrderTest, AListComesFirstAndTheRestByPath) {
  EXPECT_EQ(OrderByList("c\n./b/2\nc\n").value(), (std::vector<std::string>{"c", "b/2", "a", "b/1", "b/a/x"}));
}

TEST_F(SampleOrderTest, AListMayBeSeparatedByNul) {
  EXPECT_EQ(OrderByList(std::string("b/2\0a\0", 6)).value().front(), "b/2");
  WriteFile(source_ / "line\nbreak", "");
  IndexTables tables(scratch_.path());
  Scan(tables);
  Spool<NodeNumber> samples(scratch_.path());
  WriteFile(scratch_ / "list", "line\nbreak");
  OkOrDie(OrderSamples({.order = PackOrder::kList, .list_file = scratch_ / "list", .nul_separated = true}, tables,
                       samples));
  EXPECT_EQ(tables.PathOf(samples[0]), "line\nbreak");
}

TEST_F(SampleOrderTest, LinesOfAListMayEndInCrLf) {
  EXPECT_EQ(OrderByList("c\r\nb/2\r\n").value().front(), "c");
  EXPECT_FALSE(OrderByList("c\r\nb/2\n").has_value()) << "one of them is a name that ends in CR";
}

TEST_F(SampleOrderTest, ASecondNameStandsForItsSample) {
  const std::vector<std::string> by_second = OrderByList("c\nb/second name of 1\na\n").value();
  EXPECT_EQ(by_second, (std::vector<std::string>{"c", "b/1", "a", "b/2", "b/a/x"}));
  EXPECT_EQ(OrderByList("b/second name of 1\nc\nb/1\n").value(),
            (std::vector<std::string>{"b/1", "c", "a", "b/2", "b/a/x"}));
}

TEST_F(SampleOrderTest, WhatIsNoSampleCannotBeListed) {
  for (const char* path : {"b", "symlink", "b/second"})
    EXPECT_NE(OrderByList(path).error().message.find(path), std::string::npos);
}

TEST_F(SampleOrderTest, AListMayComeThroughAPipe) {
  std::array<int, 2> ends = {};
  ASSERT_EQ(pipe(ends.data()), 0);
  ASSERT_EQ(write(ends[1], "c\n", 2), 2);
  close(ends[1]);
  const SampleOrder order{.order = PackOrder::kList, .seed = 0, .list_file = fmt::format("/proc/self/fd/{}", ends[0])};
  EXPECT_EQ(Order(order).value().front(), "c");
  close(ends[0]);
}

TEST_F(SampleOrderTest, AListThatIsNotThereIsAnError) {
  const auto ordered = Order({.order = PackOrder::kList, .seed = 0, .list_file = scratch_ / "missing"});
  EXPECT_EQ(ordered.error().system_errno, ENOENT);
  const auto of_a_folder = Order({.order = PackOrder::kList, .seed = 0, .list_file = scratch_.path()});
  EXPECT_EQ(of_a_folder.error().system_errno, EISDIR);
}

TEST_F(SampleOrderTest, AListedPathThatIsNotThereIsNamed) {
  const auto ordered = OrderByList("a\nmissing\n");
  ASSERT_FALSE(ordered.has_value());
  EXPECT_NE(ordered.error().message.find("missing"), std::string::npos);
}

TEST(ParseSampleOrder, TakesWhatTheHelpSaysAndNothingElse) {
  EXPECT_EQ(ParseSampleOrder("path")->order, PackOrder::kPath);
  EXPECT_EQ(ParseSampleOrder("shuffle:18446744073709551615")->seed, UINT64_MAX);
  EXPECT_EQ(ParseSampleOrder("list:a:b")->list_file, "a:b");
  EXPECT_TRUE(ParseSampleOrder("list0:a")->nul_separated);
  for (const char* wrong : {"", "paths", "shuffle", "shuffle:", "shuffle:x", "shuffle:1x", "shuffle:-1",
                            "list:", "list0:", "shuffle:18446744073709551616"})
    EXPECT_EQ(ParseSampleOrder(wrong).error().code, ErrorCode::kInvalid) << wrong;
}

}  // namespace
}  // namespace quire
