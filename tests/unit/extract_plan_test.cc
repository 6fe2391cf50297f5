// SPDX-License-Identifier: Apache-2.0
// Goal: an extraction makes each entry once, and reads the pack from its beginning to its end whatever the order of
// names.
#include "tools/extract/extract_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/memory_tree.h"
#include "tools/extract/entry_patterns.h"

namespace quire {
namespace {

class ExtractPlanTest : public testing::Test {
 protected:
  void Write(const MemoryTree& tree, const SampleOrder& order = {}) {
    tree.WriteTo(folder_ / "pack", order);
    pack_ = ValueOrDie(Pack::Open(folder_ / "pack"));
  }
  NodeNumber Number(const std::string& path) { return ValueOrDie(FindEntries(pack_->index(), path)).front(); }
  ExtractPlan Plan(const std::vector<std::string>& paths) {
    std::vector<NodeNumber> tops;
    for (const std::string& path : paths) tops.push_back(Number(path));
    return MakeExtractPlan(pack_->index(), tops, [](NodeNumber, const Error& error) {
      ADD_FAILURE() << error.message;
      return true;
    });
  }

  TemporaryFolder folder_;
  std::unique_ptr<Pack> pack_;
};

TEST_F(ExtractPlanTest, AShuffledPackIsReadInItsOwnOrder) {
  MemoryTree tree;
  for (int i = 0; i < 2000; ++i) tree.AddFile(fmt::format("{}/{}", i % 7, i), Noise(3000, i));
  Write(tree, {.order = PackOrder::kShuffle, .seed = 1, .list_file = {}});
  const ExtractPlan plan = Plan({""});
  EXPECT_EQ(plan.entries, 2000U);
  EXPECT_EQ(plan.bytes, 2000U * 3000);
  EXPECT_TRUE(std::ranges::is_sorted(plan.pieces, {}, &Piece::offset));
  uint64_t planned = 0;
  for (const ExtractTask& task : plan.tasks) {
    ASSERT_EQ(task.first, planned);
    planned += task.count;
    const auto pieces = std::span(plan.pieces).subspan(task.first, task.count);
    EXPECT_EQ(pieces.front().offset / kPageBytes, pieces.back().offset / kPageBytes);
  }
  EXPECT_EQ(planned, 2000U);
}

TEST_F(ExtractPlanTest, WhatIsAskedForTwiceIsMadeOnce) {
  Write(MemoryTree().AddFile("a/b/1", "1").AddFile("a/2", "2").AddSymlink("a/l", "2").AddFile("empty", ""));
  const ExtractPlan plan = Plan({"a/b/1", "a", "a/b", "a/2", "empty"});
  EXPECT_EQ(plan.entries, 4U);
  EXPECT_EQ(plan.pieces.size(), 3U);
  EXPECT_EQ(plan.directories, (std::vector<NodeNumber>{Number("a"), Number("a/b")}));
  EXPECT_EQ(plan.symlinks, std::vector<NodeNumber>{Number("a/l")});
}

TEST_F(ExtractPlanTest, TheFirstNameThatIsAskedForHasTheBytes) {
  Write(MemoryTree().AddFile("a", "bytes").AddHardLink("b/1", "a").AddHardLink("b/2", "a"));
  const ExtractPlan all = Plan({""});
  ASSERT_EQ(all.pieces.size(), 1U);
  EXPECT_EQ(all.pieces[0].place_or_offset, Number("a"));
  ASSERT_EQ(all.further_names.size(), 2U);
  EXPECT_EQ(all.further_names[1].first_place, Number("a"));
  const ExtractPlan some = Plan({"b/2", "b/1"});
  ASSERT_EQ(some.pieces.size(), 1U);
  EXPECT_EQ(some.pieces[0].place_or_offset, Number("b/1"));
  ASSERT_EQ(some.further_names.size(), 1U);
  EXPECT_EQ(some.further_names[0].place, Number("b/2"));
  EXPECT_EQ(some.further_names[0].first_place, Number("b/1"));
}

TEST_F(ExtractPlanTest, TheTasksOfALargeSampleStandTogether) {
  Write(MemoryTree()
            .AddFile("large", Noise(40'000'000, 1))
            .AddFile("second", Noise(20'000'000, 2))
            .AddFile("small", Noise(1000, 3))
            .AddSparseFile("hole", std::string(5'000'000, '\0'), {}));
  const ExtractPlan plan = Plan({""});
  ASSERT_EQ(plan.large_samples.size(), 3U);
  std::set<uint32_t> ended;
  std::vector<uint64_t> tasks(plan.large_samples.size());
  const ExtractTask* before = nullptr;
  for (const ExtractTask& task : plan.tasks) {
    if (task.kind == ExtractTask::Kind::kLargeSample) {
      EXPECT_FALSE(ended.contains(task.large_sample));
      ++tasks[task.large_sample];
    }
    if (before != nullptr && before->kind == ExtractTask::Kind::kLargeSample &&
        (task.kind != before->kind || task.large_sample != before->large_sample))
      ended.insert(before->large_sample);
    before = &task;
  }
  for (size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(tasks[i], plan.large_samples[i].tasks);
  EXPECT_EQ(plan.large_pieces.size(), 20U + 10U);
}

}  // namespace
}  // namespace quire
