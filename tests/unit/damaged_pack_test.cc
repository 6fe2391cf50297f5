// SPDX-License-Identifier: Apache-2.0
// Goal: no damage to a pack makes a reader crash, hang, or return a wrong byte; damage with good sums may not crash it
// either. Method: a small pack of every kind of entry; each byte of it flipped in turn; then each byte of its index
// changed and all sums made good again, as a hostile writer would.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "format/pack/pack.h"
#include "format/pack/sample_content.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kMostEntries = 10'000;  // what a hostile directory may make a test walk

MemoryTree SmallTree() {
  MemoryTree tree;
  tree.AddFile("dir/a", "some bytes").AddFile("dir/b", Noise(300, 1)).AddFile("empty", "").AddDirectory("none");
  tree.AddSymlink("link", "dir/a").AddHardLink("zz/hard", "dir/a").AddFile("dir/sub/c", "c");
  tree.AddSparseFile("sparse", std::string(8192, '\0').replace(4096, 5, "bytes"), {{4096, 4096}});
  tree.SetXattr("dir/a", "user.label", "cat");
  return tree;
}

// For questions whose answer does not matter, as long as there is one.
template <typename T>
void Ask(const Result<T>& /*answer*/) {}

// Reads all there is, as a mount would be asked to.
void WalkEverything(const Pack& pack) {
  const Index& index = pack.index();
  for (NodeNumber number = 0; number < std::min(index.node_count(), kMostEntries); ++number) {
    const auto node = index.GetNode(number);
    if (!node) continue;
    Ask(index.GetName(*node));
    Ask(index.GetPath(number));
    Ask(index.Resolve(number));
    if (const auto attributes = index.GetAttributes(node->attributes))
      Ask(index.ForEachXattr(*attributes, [](const Xattr&) { return true; }));
    if (node->kind == NodeKind::kSymlink) Ask(index.GetTarget(*node));
    if (node->kind == NodeKind::kDirectory)
      if (const auto directory = index.GetDirectory(node->content)) Ask(index.Lookup(*directory, "dir"));
    if (!node->is_sample()) continue;
    Ask(GetStoredBytes(index, *node));
    for (uint64_t at = 0, runs = 0; at < node->size_bytes && runs < 100; ++runs) {
      const auto run = FindRun(index, *node, at);
      if (!run) break;
      ASSERT_GT(run->length_bytes, 0U);
      ASSERT_LE(run->length_bytes, node->size_bytes - at);
      if (run->extent) {
        const auto extent = index.GetExtent(*run->extent);
        ASSERT_TRUE(extent.has_value());
        ASSERT_LE(run->extent_offset + run->length_bytes, extent->length_bytes);
        std::vector<std::byte> bytes(extent->length_bytes);
        Ask(pack.ReadExtent(*extent, bytes));
      }
      at += run->length_bytes;
    }
  }
  WorkerPool pool(1);
  Ask(VerifyPack(pack, pool, {.on_fault = [](const Fault&) {}}));
}

TEST(DamagedPack, NoFlippedByteYieldsAWrongByte) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  const MemoryTree tree = SmallTree();
  tree.WriteTo(path);
  const auto contents = tree.Contents();
  const std::string good = ReadFile(path);
  for (size_t at = 0; at < good.size(); ++at) {
    if (at >= 4096 && at < 8192) at = 8192;  // the other slot holds nothing yet
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x5a);
    WriteFile(path, bytes);
    const auto pack = Pack::Open(path);
    if (!pack) continue;
    for (const auto& [name, content] : contents) {
      const auto read = ReadSampleAt(**pack, name);
      ASSERT_TRUE(!read || *read == content) << name << " after byte " << at;
    }
  }
}

TEST(DamagedPack, NamesOutsideOfADamagedIndexBlockAreFound) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  constexpr int kNames = 10'000;
  MemoryTree tree;
  for (int i = 0; i < kNames; ++i) tree.AddFile(fmt::format("{:05}", i), "");
  tree.WriteTo(path);
  const std::string good = ReadFile(path);
  const Superblock superblock = ValueOrDie(Pack::Open(path))->superblock();
  for (uint64_t block = 0; block < superblock.body_bytes / kBlockBytes; ++block) {
    std::string bytes = good;
    bytes[superblock.index_offset + block * kBlockBytes + 100] ^= 1;
    WriteFile(path, bytes);
    const auto pack = ValueOrDie(Pack::Open(path));
    const auto root = pack->index().GetDirectory(0);
    if (!root) continue;  // the block of the directories
    int readable = 0;
    for (int i = 0; i < kNames; ++i) {
      const auto node = pack->index().GetNode(1 + i);
      const auto name = node ? pack->index().GetName(*node) : std::unexpected(node.error());
      const auto found = pack->index().Lookup(*root, fmt::format("{:05}", i));
      ASSERT_EQ(found.has_value(), name.has_value()) << i << " with block " << block << " damaged";
      if (!found) continue;
      ASSERT_EQ(*found, NodeNumber(1 + i));
      ++readable;
    }
    EXPECT_GT(readable, kNames / 3) << block;
    const auto behind = pack->index().Lookup(*root, "99999");
    EXPECT_TRUE(!behind || !behind->has_value());
  }
}

TEST(DamagedPack, VerifyFindsEveryFlippedByteOfSamplesIndexAndSuperblocks) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  SmallTree().WriteTo(path);
  const std::string good = ReadFile(path);
  std::vector<bool> is_checked(good.size(), false);  // gaps between extents are nobody's
  const auto mark = [&](uint64_t at, uint64_t bytes) { std::fill_n(is_checked.begin() + at, bytes, true); };
  {
    const auto pack = ValueOrDie(Pack::Open(path));
    mark(kSuperblockBytes, kSuperblockBytes);  // of the first nothing is left when it is damaged
    mark(pack->superblock().index_offset, pack->superblock().body_bytes);
    for (ExtentNumber number = 0; number < pack->index().extent_count(); ++number) {
      const Extent extent = ValueOrDie(pack->index().GetExtent(number));
      mark(extent.offset, extent.length_bytes);
    }
  }
  WorkerPool pool(1);
  for (size_t at = 0; at < good.size(); ++at) {
    if (!is_checked[at]) continue;
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteFile(path, bytes);
    const auto pack = ValueOrDie(Pack::Open(path));
    uint64_t told = 0;
    const auto summary = VerifyPack(*pack, pool, {.on_fault = [&](const Fault&) { ++told; }});
    ASSERT_TRUE(summary.has_value());
    ASSERT_GT(summary->faults, 0U) << "byte " << at;
    ASSERT_EQ(summary->faults, told);
  }
}

TEST(DamagedPack, VerifyTellsFaultsInTheOrderOfThePack) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  constexpr int kFiles = 6;
  MemoryTree tree;
  for (int i = 0; i < kFiles; ++i) tree.AddFile(fmt::format("{}/{}", i, i), Noise(kPageBytes, i));
  tree.WriteTo(path);
  std::string bytes = ReadFile(path);
  for (int i = 0; i < kFiles; ++i) bytes[(i + 1) * kPageBytes + 1000] ^= 1;
  WriteFile(path, bytes);
  const auto pack = ValueOrDie(Pack::Open(path));
  // Reads of earlier pages take longer, so that later ones are found first.
  const auto read_slowly = [&](uint16_t volume, uint64_t offset, size_t count, const UseBytes& use) -> Result<void> {
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * (kFiles - offset / kPageBytes)));
    std::vector<std::byte> into(count);
    if (auto read = pack->ReadRaw(volume, offset, into); !read) return read;
    use(into);
    return {};
  };
  const auto faults = [&](unsigned threads) {
    std::vector<std::string> told;
    WorkerPool pool(threads);
    Ask(VerifyPack(*pack, pool,
                   {.on_fault = [&](const Fault& fault) { told.push_back(fault.path + ": " + fault.message); },
                    .read = read_slowly}));
    return told;
  };
  const auto in_order = faults(1);
  EXPECT_EQ(in_order.size(), kFiles + 0U);
  EXPECT_EQ(faults(8), in_order);
}

TEST(DamagedPack, HostileNumbersWithGoodSumsDoNotCrash) {
  const TemporaryFolder folder;
  const std::string path = folder / "t.quire";
  SmallTree().WriteTo(path);
  const std::string good = ReadFile(path);
  const uint64_t body_bytes = ForgedPack(good).superblock.body_bytes;
  for (uint64_t at = 0; at < body_bytes; ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff}) {
      ForgedPack forged(good);
      if (forged.body()[at] == std::byte(value)) continue;
      forged.body()[at] = std::byte(value);
      WriteFile(path, forged.Bytes());
      const auto pack = Pack::Open(path);
      if (pack) WalkEverything(**pack);
      if (testing::Test::HasFatalFailure()) FAIL() << "byte " << at << " of the index set to " << value;
    }
  }
}

}  // namespace
}  // namespace quire
