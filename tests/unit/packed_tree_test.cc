// SPDX-License-Identifier: Apache-2.0
// Goal: what another pack holds is packed again whole, in any cut, and a pack that lies costs its own entries only.
#include "format/write/packed_tree.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "format/pack/path_resolver.h"
#include "format/pack/verifier.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class PackedTreeTest : public testing::Test {
 protected:
  // Packs what the pack at `from` holds; what was told is in `told_`.
  Result<Superblock> Repack(const SampleOrder& order = {}) {
    told_.clear();
    const auto pack = ValueOrDie(Pack::Open(from_));
    PackedTree tree(*pack);
    PackProgress progress;
    const PackTreeOptions options{
        .output = to_,
        .jobs = 3,
        .order = order,
        .skip_unreadable = true,
        .replace = true,
        .on_unreadable = [this](const std::string& path, const std::string& reason) { told_[path] = reason; },
        .progress = &progress};
    const auto packed = PackTree(tree, options);
    if (!packed) return std::unexpected(packed.error());
    return packed->superblock;
  }
  // The new pack is sound and holds all but `missing`.
  void ExpectWithout(std::map<std::string, std::string> contents, const std::vector<std::string>& missing) {
    for (const std::string& path : missing) contents.erase(path);
    const auto pack = ValueOrDie(Pack::Open(to_));
    WorkerPool pool(2);
    ValueOrDie(VerifyPack(
        *pack, pool, {.on_fault = [](const Fault& fault) { ADD_FAILURE() << fault.path << ": " << fault.message; }}));
    EXPECT_EQ(pack->superblock().samples + pack->superblock().hard_links, contents.size());
    for (const auto& [path, content] : contents) EXPECT_TRUE(ValueOrDie(ReadSampleAt(*pack, path)) == content) << path;
  }
  NodeNumber Find(const std::string& path) {
    const auto pack = ValueOrDie(Pack::Open(from_));
    return ValueOrDie(ResolvePath(pack->index(), path, LastSymlink::kKeep));
  }
  Node Get(NodeNumber number) { return ValueOrDie(ValueOrDie(Pack::Open(from_))->index().GetNode(number)); }
  void Replace(NodeNumber number, const Node& node) {
    ForgedPack forged(ReadFile(from_));
    forged.Replace(Section::kNodes, number, node);
    WriteFile(from_, forged.Bytes());
  }

  TemporaryFolder folder_;
  const std::string from_ = folder_ / "from.quire";
  const std::string to_ = folder_ / "to.quire";
  std::map<std::string, std::string> told_;
};

// Each order cuts other samples where a page ends, so that extents of one pack hold parts of extents of the other.
TEST_F(PackedTreeTest, SamplesThatAreCutElsewhereStayWhole) {
  MemoryTree tree;
  for (int i = 0; i < 30; ++i) tree.AddFile(fmt::format("{:02}", i), Noise(300'000 + i * 50'000, i));
  tree.AddFile("large", Noise(3 * kPageBytes + 5, 100));
  tree.WriteTo(from_, {.order = PackOrder::kShuffle, .seed = 1, .list_file = {}});
  for (uint64_t seed = 2; seed < 5; ++seed) {
    ValueOrDie(Repack({.order = PackOrder::kShuffle, .seed = seed, .list_file = {}}));
    EXPECT_TRUE(told_.empty());
    ExpectWithout(tree.Contents(), {});
    std::filesystem::rename(to_, from_);
  }
}

TEST_F(PackedTreeTest, SegmentsOfManySamplesDoNotFillTheMemory) {
  MemoryTree tree;
  std::string content(64 * 8192, '\0');
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (uint64_t at = 0; at < content.size(); at += 8192) {
    content.replace(at, 4096, Noise(4096, at));
    ranges.emplace_back(at, 4096);
  }
  tree.AddSparseFile("a", content, ranges).AddSparseFile("b", content, ranges).AddSparseFile("c", content, ranges);
  tree.WriteTo(from_);
  Repack().value();
  EXPECT_TRUE(told_.empty());
  ExpectWithout(tree.Contents(), {});
  Node node = Get(Find("b"));
  node.content = Get(Find("a")).content;
  Replace(Find("b"), node);
  Repack().value();  // which has room for as many as it has
  EXPECT_TRUE(told_.empty());
  for (int i = 0; i < 2; ++i) tree.AddSparseFile(fmt::format("d{}", i), std::string(8192, '\0'), {});
  tree.WriteTo(from_);
  for (int i = 0; i < 2; ++i) {
    Node shared = Get(Find(fmt::format("d{}", i)));
    shared.size_bytes = content.size();
    shared.content = Get(Find("a")).content;
    Replace(Find(fmt::format("d{}", i)), shared);
  }
  Repack().value();
  EXPECT_EQ(told_.size(), 2U);
  EXPECT_TRUE(told_["d0"].contains("other samples")) << told_["d0"];
  ExpectWithout(tree.Contents(), {"d0", "d1"});
}

TEST_F(PackedTreeTest, NamesThatAreNotSortedAreNotPacked) {
  MemoryTree tree;
  for (const char* name : {"a", "b", "c", "d"}) tree.AddFile(name, name);
  tree.WriteTo(from_);
  Node node = Get(Find("c"));
  node.name_offset = Get(Find("a")).name_offset;
  Replace(Find("c"), node);
  Repack().value();
  EXPECT_TRUE(told_["."].contains("not behind the one before")) << told_["."];
  ExpectWithout(tree.Contents(), {"c"});
}

TEST_F(PackedTreeTest, LinksAreCountedAgainAndThoseToLinksRefused) {
  MemoryTree tree;
  tree.AddFile("a", "sample").AddHardLink("b", "a").AddHardLink("c", "a").AddHardLink("d", "a");
  tree.WriteTo(from_);
  Node node = Get(Find("a"));
  const auto links = [&] {
    const auto pack = ValueOrDie(Pack::Open(to_));
    const Index& index = pack->index();
    return ValueOrDie(index.GetAttributes(ValueOrDie(index.GetNode(1)).attributes)).nlink;
  };
  Repack().value();
  EXPECT_EQ(links(), 4U);
  node = {.name_offset = Get(4).name_offset, .name_bytes = 1, .kind = NodeKind::kHardLink, .content = 3};
  Replace(4, node);
  Repack().value();
  EXPECT_TRUE(told_["d"].contains("hard link")) << told_["d"];
  EXPECT_EQ(links(), 3U);
  ExpectWithout(tree.Contents(), {"d"});
}

TEST_F(PackedTreeTest, HolesOfAnySizeCostNothing) {
  MemoryTree tree;
  tree.AddFile("a", Noise(4 * kPageBytes, 1)).AddFile("b", "b");
  tree.WriteTo(from_);
  Node node = Get(Find("b"));
  node.kind = NodeKind::kSegmented;
  node.size_bytes = kMaxSampleBytes;
  node.content = kMaxRecords;
  Replace(Find("b"), node);
  EXPECT_EQ(Repack().value().sample_bytes, kMaxSampleBytes + 4 * kPageBytes);
  node.content = Get(Find("a")).content;
  Replace(Find("b"), node);
  EXPECT_EQ(Repack().value().stored_bytes, 8 * kPageBytes);
}

}  // namespace
}  // namespace quire
