// SPDX-License-Identifier: Apache-2.0
// Goal: a further layer shows what FORMAT.md says of it, and one whose numbers lie is an error where it is used: no
// node gets a second parent, no directory a second place, nothing a cycle.
// Method: layers are written as their tables say, through the writer's own commit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/growth/growing_pack.h"
#include "format/growth/pack_growth.h"
#include "format/pack/path_resolver.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class IndexLayersTest : public testing::Test {
 protected:
  // a, b, d (of which e is in), l; numbers 1 to 4, and d/e is 5 with d/e/f as 6.
  void SetUp() override {
    MemoryTree tree;
    tree.AddFile("a", "some bytes").AddFile("b", "others").AddFile("d/e/f", "deep").AddSymlink("l", "a");
    tree.WriteTo(path_);
  }

  struct Layer {
    GrowingPack& pack;
    IndexTables& tables;

    [[nodiscard]] NodeNumber next() const { return pack.first(Section::kNodes) + tables.nodes.size(); }
    [[nodiscard]] Node Get(NodeNumber number) const { return ValueOrDie(pack.index().GetNode(number)); }
    // An entry that stands for `number`.
    void Refer(NodeNumber number) {
      const Node node = Get(number);
      AddNode({.name_offset = node.name_offset,
               .name_bytes = node.name_bytes,
               .kind = NodeKind::kReference,
               .content = number});
    }
    void AddNode(const Node& node) { OkOrDie(tables.nodes.Append(node)); }
    void Add(Node node, std::string_view name) {
      node.name_offset = pack.first(Section::kNames) + ValueOrDie(tables.AddText(name));
      node.name_bytes = static_cast<uint8_t>(name.size());
      AddNode(node);
    }
    // The directory `number` lists what `fill` adds, from now on.
    void List(NodeNumber number, const std::function<void()>& fill) {
      const NodeNumber first = next();
      fill();
      Node node = Get(number);
      node.content = pack.first(Section::kDirectories) + tables.directories.size();
      OkOrDie(tables.directories.Append({.first_child = first, .child_count = next() - first, .node = number}));
      Replace(number, node);
    }
    void Replace(NodeNumber number, const Node& node) {
      OkOrDie(tables.replaced.Append({.number = number, .node = node}));
    }
  };

  void Grow(const std::function<void(Layer&)>& fill) {
    const auto pack = ValueOrDie(GrowingPack::Open(path_));
    IndexTables tables(folder_.path());
    Layer layer{.pack = *pack, .tables = tables};
    fill(layer);
    Superblock counts = pack->pack().superblock();
    counts.directories = counts.tree_directories();
    counts.stored_bytes = 0;
    counts.sections = {};
    ValueOrDie(pack->Commit(tables, {}, counts));
  }

  [[nodiscard]] std::unique_ptr<Pack> Open(uint64_t generation = 0) const {
    return ValueOrDie(Pack::Open(path_, generation));
  }

  static Directory DirectoryOf(const Index& index, NodeNumber number) {
    return ValueOrDie(index.GetDirectory(ValueOrDie(index.GetNode(number)).content));
  }

  // The message of what is wrong with child `i` of the root.
  [[nodiscard]] std::string FaultOfChild(uint64_t i) const {
    const auto pack = Open();
    const auto child = pack->index().GetChild(DirectoryOf(pack->index(), 0), i);
    return child ? "" : child.error().message;
  }

  static uint64_t CountFaults(const Pack& pack) {
    WorkerPool pool(2);
    return ValueOrDie(VerifyPack(pack, pool, {.on_fault = [](const Fault&) {}})).faults;
  }

  // Entries that a walk meets, directories in directories; more than `most` end it.
  static uint64_t Walk(const Index& index, uint64_t most) {
    std::vector<NodeNumber> pending = {0};
    uint64_t met = 0;
    while (!pending.empty() && met < most) {
      const NodeNumber number = pending.back();
      pending.pop_back();
      ++met;
      const auto node = index.GetNode(number);
      if (!node || node->kind != NodeKind::kDirectory) continue;
      const auto directory = index.GetDirectory(node->content);
      for (uint64_t i = 0; directory && i < directory->child_count; ++i)
        if (const auto child = index.GetChild(*directory, i)) pending.push_back(*child);
    }
    return met;
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "p.quire";
};

TEST_F(IndexLayersTest, ALaterGenerationTakesThePlaceOfTheOneThatIsRead) {
  const auto pack = Open();
  pack->OpenVolumes({});
  EXPECT_EQ(ValueOrDie(pack->FindLater()), nullptr);
  const Node before = ValueOrDie(pack->index().GetNode(0));
  const std::string_view kept = ValueOrDie(pack->index().GetName(ValueOrDie(pack->index().GetNode(1))));
  Grow([](Layer& layer) { layer.List(0, [&] { layer.Refer(1); }); });
  const auto later = ValueOrDie(pack->FindLater());
  ASSERT_NE(later, nullptr);
  EXPECT_EQ(DirectoryOf(pack->index(), 0).child_count, 4U);
  OkOrDie(pack->OpenVolumesOf(*later));
  pack->Adopt(*later);
  EXPECT_EQ(pack->superblock().generation, 2U);
  EXPECT_EQ(DirectoryOf(pack->index(), 0).child_count, 1U);
  // What was given before stays, and so does what is asked of the generation of before.
  EXPECT_EQ(kept, "a");
  EXPECT_EQ(ValueOrDie(pack->index().GetNodeOf(1, 0)).content, before.content);
  EXPECT_EQ(DirectoryOf(*later, 0).child_count, 4U);
  EXPECT_EQ(ValueOrDie(pack->FindLater()), nullptr);
}

TEST_F(IndexLayersTest, SeveralGenerationsAreTakenAtOnce) {
  const auto pack = Open();
  pack->OpenVolumes({});
  for (int i = 0; i < 2; ++i) Grow([](Layer& layer) { layer.List(0, [&] { layer.Refer(2); }); });
  const auto later = ValueOrDie(pack->FindLater());
  OkOrDie(pack->OpenVolumesOf(*later));
  pack->Adopt(*later);
  EXPECT_EQ(pack->superblock().generation, 3U);
  EXPECT_EQ(ValueOrDie(pack->index().GetChild(DirectoryOf(pack->index(), 0), 0)), 2U);
}

TEST_F(IndexLayersTest, WhatDoesNotGoOnIsNoLaterGeneration) {
  const auto pack = Open();
  Grow([](Layer& layer) { layer.List(0, [&] { layer.Refer(1); }); });
  const auto later = ValueOrDie(pack->FindLater());
  const auto grown = Open();
  EXPECT_EQ(grown->index().OpenLater(pack->superblock()).error().code, ErrorCode::kInvalid);
  // Another pack in the same file.
  MemoryTree tree;
  tree.AddFile("a", "other bytes");
  const std::string other = folder_ / "other.quire";
  tree.WriteTo(other);
  std::filesystem::copy_file(other, path_, std::filesystem::copy_options::overwrite_existing);
  const auto found = pack->FindLater();
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid) << found.error().message;
}

TEST_F(IndexLayersTest, WhatStaysIsFoundUnderItsNumber) {
  Grow([](Layer& layer) {
    layer.List(0, [&] {
      layer.Refer(1);
      layer.Add({.attributes = layer.Get(1).attributes, .kind = NodeKind::kFile}, "c");
      layer.Refer(3);
    });
  });
  const auto pack = Open();
  const Index& index = pack->index();
  EXPECT_EQ(index.layers().size(), 2U);
  const Directory root = DirectoryOf(index, 0);
  EXPECT_EQ(ValueOrDie(index.GetChild(root, 0)), 1U);
  EXPECT_EQ(ValueOrDie(index.Lookup(root, "d")), 3U);
  EXPECT_EQ(ValueOrDie(index.Lookup(root, "b")), std::nullopt);
  EXPECT_EQ(ValueOrDie(ResolvePath(index, "d/e/f", LastSymlink::kKeep)), 6U);
  const NodeNumber added = ValueOrDie(index.Lookup(root, "c")).value();
  EXPECT_GT(added, 6U);
  EXPECT_EQ(ValueOrDie(index.GetParent(added)), 0U);
  EXPECT_EQ(ValueOrDie(index.GetPath(6)), "d/e/f");
  EXPECT_EQ(ValueOrDie(ResolvePath(Open(1)->index(), "b", LastSymlink::kKeep)), 2U) << "the generation before has it";
  EXPECT_EQ(Pack::Open(path_, 3).error().code, ErrorCode::kNotFound);
}

TEST_F(IndexLayersTest, TheNewestRecordOfANodeCounts) {
  for (const uint64_t mtime : {7, 8, 9})
    Grow([&](Layer& layer) {
      Node node = layer.Get(1);
      node.mtime = mtime;
      layer.Replace(1, node);
    });
  for (const uint64_t generation : {2, 3, 4})
    EXPECT_EQ(ValueOrDie(Open(generation)->index().GetNode(1)).mtime, generation + 5);
  EXPECT_EQ(CountFaults(*Open()), 0U);
}

TEST_F(IndexLayersTest, AReferenceIsToAChildOfTheSameDirectoryInALayerBelow) {
  Grow([](Layer& layer) {
    layer.List(0, [&] {
      layer.Refer(6);  // d/e/f
      layer.Refer(0);
      const NodeNumber next = layer.next();
      layer.AddNode({.name_offset = 0, .name_bytes = 1, .kind = NodeKind::kReference, .content = next});
      layer.AddNode({.name_offset = 0, .name_bytes = 1, .kind = NodeKind::kReference, .content = kMaxRecords - 1});
      const Node a = layer.Get(1);
      layer.AddNode({.name_offset = a.name_offset + 1, .name_bytes = 1, .kind = NodeKind::kReference, .content = 1});
      layer.Refer(1);
    });
  });
  EXPECT_TRUE(FaultOfChild(0).contains("no child of node 0")) << FaultOfChild(0);
  for (const uint64_t child : {1, 2, 3})
    EXPECT_TRUE(FaultOfChild(child).contains("no entry of a layer below")) << child;
  EXPECT_TRUE(FaultOfChild(4).contains("another entry")) << FaultOfChild(4);
  EXPECT_EQ(FaultOfChild(5), "");
  EXPECT_GT(CountFaults(*Open()), 0U);
}

TEST_F(IndexLayersTest, AReferenceIsToNoReference) {
  Grow([](Layer& layer) { layer.List(0, [&] { layer.Refer(1); }); });
  Grow([](Layer& layer) {
    layer.List(0, [&] {
      const NodeNumber reference = layer.pack.first(Section::kNodes) - 1;
      const Node a = layer.Get(1);
      layer.AddNode(
          {.name_offset = a.name_offset, .name_bytes = 1, .kind = NodeKind::kReference, .content = reference});
    });
  });
  EXPECT_TRUE(FaultOfChild(0).contains("another entry")) << FaultOfChild(0);
  EXPECT_FALSE(Open()->index().GetNode(Open()->index().node_count() - 1).has_value()) << "nor is it a node";
}

TEST_F(IndexLayersTest, ADirectoryNeverHoldsWhatItLiesIn) {
  Grow([](Layer& layer) {
    layer.List(3, [&] { layer.Refer(3); });  // d in d
    layer.List(5, [&] {                      // d in d/e
      const Node d = layer.Get(3);
      layer.AddNode({.name_offset = d.name_offset, .name_bytes = 1, .kind = NodeKind::kReference, .content = 3});
    });
  });
  EXPECT_LE(Walk(Open()->index(), 1000), 7U);
  EXPECT_GT(CountFaults(*Open()), 0U);
}

// Twice in each of twenty levels would be a million paths.
TEST_F(IndexLayersTest, ADirectoryHasOnePlace) {
  constexpr int kLevels = 20;
  std::string deep = "x";
  MemoryTree tree;
  for (int i = 1; i < kLevels; ++i) deep += "/x";
  tree.AddFile(deep, "bytes");
  tree.WriteTo(path_);
  Grow([](Layer& layer) {
    for (NodeNumber number = 0; number + 1 < kLevels; ++number)
      layer.List(number, [&] {
        layer.Refer(number + 1);
        layer.Refer(number + 1);
        layer.Add({.attributes = 0, .kind = NodeKind::kFile}, "a");
        layer.Refer(number + 1);
      });
  });
  EXPECT_LE(Walk(Open()->index(), 100'000), 6U * kLevels);
  EXPECT_GT(CountFaults(*Open()), 0U);
}

TEST_F(IndexLayersTest, AReplacedNodeKeepsItsNameAndKind) {
  Grow([](Layer& layer) {
    Node named = layer.Get(1);
    named.name_offset = layer.Get(2).name_offset;
    layer.Replace(1, named);
    Node linked = layer.Get(2);
    linked.kind = NodeKind::kSymlink;
    layer.Replace(2, linked);
  });
  for (const NodeNumber number : {1, 2})
    EXPECT_TRUE(Open()->index().GetNode(number).error().message.contains("replaced by another entry"));
  EXPECT_TRUE(Open()->index().GetNode(3).has_value());
}

TEST_F(IndexLayersTest, NoNameLiesInTwoLayers) {
  Grow([](Layer& layer) {
    layer.List(0, [&] {
      layer.Add({.attributes = 0, .kind = NodeKind::kFile}, "zz");
      const uint64_t seam = layer.pack.first(Section::kNames) - 1;
      layer.AddNode({.attributes = 0, .name_offset = seam, .name_bytes = 2, .kind = NodeKind::kFile});
    });
  });
  const auto pack = Open();
  const NodeNumber child = ValueOrDie(pack->index().GetChild(DirectoryOf(pack->index(), 0), 1));
  EXPECT_TRUE(pack->index().GetName(ValueOrDie(pack->index().GetNode(child))).error().message.contains("two layers"));
}

TEST_F(IndexLayersTest, ASlotThatIsTornAnywhereLeavesTheGenerationBefore) {
  const std::string before = ReadFile(path_);
  Grow([](Layer& layer) { layer.List(0, [&] { layer.Refer(1); }); });
  const std::string after = ReadFile(path_);
  for (size_t torn = 1; torn < kSuperblockBytes; torn += 13) {
    std::string bytes = after;
    std::copy_n(before.begin() + kSuperblockBytes + torn, kSuperblockBytes - torn,
                bytes.begin() + kSuperblockBytes + torn);
    if (bytes == after) continue;
    WriteFile(path_, bytes);
    const auto pack = Open();
    ASSERT_EQ(pack->superblock().generation, 1U) << torn;
    EXPECT_EQ(ValueOrDie(ResolvePath(pack->index(), "b", LastSymlink::kKeep)), 2U);
    EXPECT_TRUE(GrowingPack::Open(path_).has_value()) << "the next commit mends the slot";
  }
}

TEST_F(IndexLayersTest, WhatANewerReleaseAddedIsNotContinued) {
  const std::string bytes = ReadFile(path_);
  const auto change = [&](const std::function<void(std::span<std::byte>)>& make) {
    std::string changed = bytes;
    const auto slot = std::as_writable_bytes(std::span(changed)).first<kSuperblockBytes>();
    make(slot);
    WriteFile(path_, changed);
    EXPECT_TRUE(Pack::Open(path_).has_value()) << "readers need not know it";
    const auto grown = GrowingPack::Open(path_);
    ASSERT_FALSE(grown.has_value());
    EXPECT_EQ(grown.error().code, ErrorCode::kUnsupported);
    EXPECT_TRUE(grown.error().message.contains("newer quire")) << grown.error().message;
  };
  change([](std::span<std::byte> slot) {
    Superblock superblock = ValueOrDie(DecodeSuperblock(slot));
    superblock.append_features = 4;
    EncodeSuperblock(superblock, slot.first<kSuperblockBytes>());
  });
  change([](std::span<std::byte> slot) {
    constexpr size_t kTableAt = 192;
    const uint64_t count = LoadUint<4>(slot, 20);
    const auto entry = slot.subspan(kTableAt + count * 32, 32);
    std::ranges::copy(slot.subspan(kTableAt + (count - 1) * 32, 32), entry.begin());
    StoreUint<4>(entry, 0, 77);
    StoreUint<4>(entry, 4, 0);
    StoreUint<8>(entry, 24, 0);
    StoreUint<4>(slot, 20, count + 1);
    StoreUint<8>(slot, kSuperblockBytes - 8, Xxh3(slot.first(kSuperblockBytes - 8)));
  });
}

TEST_F(IndexLayersTest, WhatAWriterThatDiedHasLeftIsCutOff) {
  const auto bytes = std::filesystem::file_size(path_);
  WriteFile(path_, ReadFile(path_) + std::string(5000, 'x'));
  {
    const auto pack = ValueOrDie(GrowingPack::Open(path_));
  }
  EXPECT_EQ(std::filesystem::file_size(path_), bytes);
}

TEST_F(IndexLayersTest, LayersThatDoNotLieBelowEachOtherAreRefused) {
  Grow([](Layer& layer) { layer.Replace(1, layer.Get(1)); });
  const Superblock good = Open()->superblock();
  const auto open_with = [&](const std::function<void(Superblock&)>& forge) {
    std::string bytes = ReadFile(path_);
    const auto all = std::as_writable_bytes(std::span(bytes));
    std::array<std::byte, kSuperblockBytes> below = {};
    Superblock forged = ValueOrDie(DecodeSuperblock(all.first(kSuperblockBytes)));
    forge(forged);
    EncodeSuperblock(forged, below);
    const auto index = all.subspan(good.index_offset);
    std::ranges::copy(LayerOf(below), index.begin() + static_cast<ptrdiff_t>(good.section(Section::kLayers).offset));
    Superblock top = good;
    top.root_sum = RepairSumTree(index, good.body_bytes);
    EncodeSuperblock(top, all.subspan(kSuperblockBytes).first<kSuperblockBytes>());
    const std::string forged_path = folder_ / "forged.quire";
    WriteFile(forged_path, bytes);
    const auto pack = Pack::Open(forged_path);
    return pack ? std::string() : pack.error().message;
  };
  EXPECT_EQ(open_with([](Superblock&) {}), "");
  EXPECT_TRUE(open_with([](Superblock& s) { s.generation = 2; }).contains("does not lie before"));
  EXPECT_TRUE(open_with([&](Superblock& s) {
                s.index_offset = good.index_offset;
                s.pack_bytes = s.index_offset + s.index_bytes;
              }).contains("does not lie before"));
  EXPECT_TRUE(open_with([](Superblock& s) { s.sections[0].bytes = 0; }).contains("layer 1 below"));
  EXPECT_TRUE(open_with([](Superblock& s) { s.samples = UINT64_MAX - 7; }).contains("leave room for"))
      << "which generation 1 would tell";
}

TEST_F(IndexLayersTest, EachLayerHasThoseBelowIt) {
  const auto add_one = [](Layer& layer) {
    layer.tables.attributes.push_back({.mode = 0644, .nlink = 1});
    layer.List(0, [&] { layer.Add({.attributes = 0, .kind = NodeKind::kFile}, "c"); });
  };
  Grow(add_one);
  Grow(add_one);
  Superblock top = Open()->superblock();
  std::string bytes = ReadFile(path_);
  const auto all = std::as_writable_bytes(std::span(bytes));
  const auto record = all.subspan(top.index_offset + top.section(Section::kLayers).offset).first(kLayerBytes);
  Superblock second = ValueOrDie(DecodeLayer(record));
  second.sections[static_cast<size_t>(Section::kLayers)] = {};
  std::array<std::byte, kSuperblockBytes> forged = {};
  EncodeSuperblock(second, forged);
  std::ranges::copy(LayerOf(forged), record.begin());
  top.root_sum = RepairSumTree(all.subspan(top.index_offset), top.body_bytes);
  EncodeSuperblock(top, all.first<kSuperblockBytes>());
  WriteFile(path_, bytes);
  const auto pack = Pack::Open(path_);
  ASSERT_FALSE(pack.has_value());
  EXPECT_TRUE(pack.error().message.contains("says that 0 are below it, 1 are")) << pack.error().message;
}

// A lie of the generation before would become one that readers refuse, and with it the pack.
TEST_F(IndexLayersTest, WhatNoReaderWouldOpenIsNotCommitted) {
  const auto tell = [&](const std::function<void(Superblock&)>& forge) {
    std::string bytes = ReadFile(path_);
    const auto slots = std::as_writable_bytes(std::span(bytes));
    Superblock superblock = Open()->superblock();
    forge(superblock);
    EncodeSuperblock(superblock, slots.subspan(SuperblockOffset(superblock.generation)).first<kSuperblockBytes>());
    WriteFile(path_, bytes);
    return bytes;
  };
  const auto remove = [&](const std::string& path) {
    const auto pack = ValueOrDie(GrowingPack::Open(path_));
    const auto number = ValueOrDie(ResolvePath(pack->index(), path, LastSymlink::kKeep));
    const auto removed = RemoveFromPack(*pack, {number}, folder_.path(), nullptr);
    return removed ? std::string() : removed.error().message;
  };
  const std::string without_symlinks = tell([](Superblock& s) { s.symlinks = 0; });
  EXPECT_TRUE(remove("l").contains("nothing was committed"));
  EXPECT_EQ(ReadFile(path_), without_symlinks);
  EXPECT_EQ(remove("a"), "");
  tell([](Superblock& s) { s.generation = UINT64_MAX - 1; });
  EXPECT_EQ(remove("b"), "");
  const std::string last = ReadFile(path_);
  EXPECT_TRUE(remove("d").contains("nothing was committed"));
  EXPECT_EQ(ReadFile(path_), last);
}

}  // namespace
}  // namespace quire
