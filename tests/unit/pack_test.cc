// SPDX-License-Identifier: Apache-2.0
// Goal: what goes into a pack comes out of it: names, kinds, contents, holes, links, attributes.
#include "format/pack/pack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "format/coding.h"
#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/support/count_allocations.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class PackTest : public testing::Test {
 protected:
  std::unique_ptr<Pack> Write(const MemoryTree& tree, const SampleOrder& order = {}) {
    tree.WriteTo(path_, order);
    return ValueOrDie(Pack::Open(path_));
  }
  static Node NodeAt(const Pack& pack, const std::string& path) {
    return ValueOrDie(pack.index().GetNode(ValueOrDie(ResolvePath(pack.index(), path, LastSymlink::kKeep))));
  }
  static void ExpectContents(const Pack& pack, const MemoryTree& tree) {
    for (const auto& [path, content] : tree.Contents()) {
      const auto read = ReadSampleAt(pack, path);
      ASSERT_TRUE(read.has_value()) << path << ": " << read.error().message;
      EXPECT_TRUE(*read == content) << path;
    }
  }
  static uint64_t CountFaults(const Pack& pack) {
    WorkerPool pool(2);
    return ValueOrDie(
               VerifyPack(
                   pack, pool,
                   {.on_fault = [](const Fault& fault) { ADD_FAILURE() << fault.path << ": " << fault.message; }}))
        .faults;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "t.quire";
};

MemoryTree OddTree() {
  MemoryTree tree;
  tree.AddFile("b/one", "1").AddFile("b/empty", "").AddFile("a", Noise(5000, 1)).AddDirectory("c");
  tree.AddFile("b/page", Noise(kPageBytes, 2))
      .AddFile("b/page-1", Noise(kPageBytes - 1, 3))
      .AddFile("b/page+1", Noise(kPageBytes + 1, 4));
  tree.AddFile("large", Noise(5 * kPageBytes + 12345, 5))
      .AddFile(std::string("odd\n\xff \"'"), "odd")
      .AddFile(std::string(255, 'n'), "long");
  tree.AddSymlink("link", "b/one").AddHardLink("d/e/f/hard", "a").AddFile("d/e/f/deep", "deep");
  return tree;
}

TEST_F(PackTest, ContentsOfEverySizeComeBack) {
  const MemoryTree tree = OddTree();
  const auto pack = Write(tree);
  ExpectContents(*pack, tree);
  EXPECT_EQ(CountFaults(*pack), 0U);
  EXPECT_EQ(pack->superblock().samples, 10U);
  EXPECT_EQ(pack->superblock().hard_links, 1U);
  EXPECT_EQ(pack->superblock().symlinks, 1U);
}

TEST_F(PackTest, ContentsComeBackInShuffledOrder) {
  const MemoryTree tree = OddTree();
  const auto pack = Write(tree, {.order = PackOrder::kShuffle, .seed = 3, .list_file = ""});
  ExpectContents(*pack, tree);
  EXPECT_EQ(CountFaults(*pack), 0U);
}

TEST_F(PackTest, BytesDoNotDependOnTheNumberOfThreads) {
  OddTree().WriteTo(folder_ / "1", {}, 1);
  OddTree().WriteTo(folder_ / "7", {}, 7);
  EXPECT_TRUE(ReadFile(folder_ / "1") == ReadFile(folder_ / "7"));
}

TEST_F(PackTest, AnEmptyTreeIsAPack) {
  const auto pack = Write(MemoryTree().AddDirectory(""));
  EXPECT_EQ(pack->index().node_count(), 1U);
  EXPECT_EQ(CountFaults(*pack), 0U);
}

TEST_F(PackTest, HolesReadAsZerosAndTakeNoSpace) {
  std::string content(9 * kPageBytes, '\0');
  content.replace(size_t{10} * 4096, 4096, Noise(4096, 1));
  content.replace(3 * kPageBytes, 2 * kPageBytes + 8192, Noise(2 * kPageBytes + 8192, 2));
  MemoryTree tree;
  tree.AddSparseFile("sparse", content, {{10 * 4096, 4096}, {3 * kPageBytes, 2 * kPageBytes + 8192}});
  tree.AddSparseFile("all-hole", std::string(3 * kPageBytes, '\0'), {});
  const auto pack = Write(tree);
  ExpectContents(*pack, tree);
  EXPECT_EQ(CountFaults(*pack), 0U);
  EXPECT_EQ(GetStoredBytes(pack->index(), NodeAt(*pack, "sparse")).value(), 4096 + 2 * kPageBytes + 8192);
  EXPECT_EQ(GetStoredBytes(pack->index(), NodeAt(*pack, "all-hole")).value(), 0U);
  EXPECT_EQ(pack->superblock().stored_bytes, 4096 + 2 * kPageBytes + 8192);
  const ContentRun hole = FindRun(pack->index(), NodeAt(*pack, "sparse"), 0).value();
  EXPECT_FALSE(hole.extent.has_value());
  EXPECT_EQ(hole.length_bytes, 10 * 4096U);
}

TEST_F(PackTest, StoredBytesAreCountedWithoutAllocating) {
  if (!kCountsAllocations) GTEST_SKIP() << "sanitizers bring allocators of their own";
  std::string content(64 * 8192, '\0');
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (uint64_t at = 0; at < content.size(); at += 8192) {
    content.replace(at, 4096, Noise(4096, at));
    ranges.emplace_back(at, 4096);
  }
  const auto pack = Write(MemoryTree().AddSparseFile("sparse", content, ranges));
  const Node node = NodeAt(*pack, "sparse");
  const uint64_t stored_bytes = GetStoredBytes(pack->index(), node).value();  // and loads the blocks
  const AllocationCounter counter;
  const auto again = GetStoredBytes(pack->index(), node);
  EXPECT_EQ(counter.count(), 0U);
  EXPECT_EQ(stored_bytes, 64U * 4096);
  EXPECT_EQ(again.value(), stored_bytes);
}

TEST_F(PackTest, LookupFindsEveryNameAndNoOther) {
  MemoryTree tree;
  for (int i = 0; i < 1000; ++i) tree.AddFile(fmt::format("d/{}", i * 7), "x");
  const auto pack = Write(tree);
  const Directory directory = pack->index().GetDirectory(NodeAt(*pack, "d").content).value();
  for (int i = 0; i < 7000; ++i)
    EXPECT_EQ(pack->index().Lookup(directory, std::to_string(i)).value().has_value(), i % 7 == 0) << i;
  EXPECT_FALSE(pack->index().Lookup(directory, "").value().has_value());
  EXPECT_FALSE(pack->index().Lookup(directory, std::string(300, 'x')).value().has_value());
}

TEST_F(PackTest, EveryNodeKnowsItsPath) {
  const auto pack = Write(OddTree());
  const Index& index = pack->index();
  for (NodeNumber number = 1; number < index.node_count(); ++number) {
    const std::string path = index.GetPath(number).value();
    const NodeNumber found = ResolvePath(index, path, LastSymlink::kKeep).value();
    EXPECT_EQ(found, index.Resolve(number).value()) << path;
  }
  EXPECT_EQ(index.GetPath(0).value(), "");
  EXPECT_EQ(index.GetParent(0).value(), 0U);
}

TEST_F(PackTest, TheFirstExtentBehindAnyByteIsFound) {
  const auto pack = Write(OddTree());
  const Index& index = pack->index();
  std::vector<Extent> extents;
  extents.reserve(index.extent_count());
  for (ExtentNumber number = 0; number < index.extent_count(); ++number)
    extents.push_back(ValueOrDie(index.GetExtent(number)));
  ASSERT_GT(extents.size(), 8U);
  const auto expected = [&](uint64_t offset) {
    return static_cast<ExtentNumber>(
        std::ranges::find_if(extents, [&](const Extent& extent) { return extent.offset >= offset; }) - extents.begin());
  };
  std::vector<uint64_t> offsets = {0, kDataBegin, pack->superblock().pack_bytes, ~uint64_t{0}};
  for (const Extent& extent : extents)
    for (const uint64_t offset :
         {extent.offset - 1, extent.offset, extent.offset + 1, extent.offset + extent.length_bytes})
      offsets.push_back(offset);
  for (uint64_t page = 0; page * kPageBytes < pack->superblock().pack_bytes; ++page)
    offsets.push_back(page * kPageBytes);
  for (const uint64_t offset : offsets)
    EXPECT_EQ(ValueOrDie(index.FindExtentFrom(0, offset)), expected(offset)) << offset;
}

TEST_F(PackTest, APackWithoutExtentsHasNoneBehindAnyByte) {
  EXPECT_EQ(ValueOrDie(Write(MemoryTree().AddFile("empty", ""))->index().FindExtentFrom(0, 0)), 0U);
}

TEST_F(PackTest, PathsAreWalkedAsTheKernelDoes) {
  MemoryTree tree;
  tree.AddFile("a/b/file", "x")
      .AddSymlink("a/up", "../a/b")
      .AddSymlink("out", "/etc/passwd")
      .AddSymlink("loop", "loop");
  const auto pack = Write(tree);
  const Index& index = pack->index();
  const auto walk = [&](std::string_view path, LastSymlink last = LastSymlink::kFollow) {
    return ResolvePath(index, path, last);
  };
  const NodeNumber file = walk("a/b/file").value();
  EXPECT_EQ(walk("/a//b/./file").value(), file);
  EXPECT_EQ(walk("a/up/file").value(), file);
  EXPECT_EQ(walk("../../a/b/../b/file").value(), file);
  EXPECT_EQ(walk("").value(), 0U);
  EXPECT_NE(walk("a/up", LastSymlink::kKeep).value(), walk("a/up").value());
  for (const char* missing : {"a/c", "a/b/file/x", "out", "loop", "a/b/file/.."})
    EXPECT_EQ(walk(missing).error().code, ErrorCode::kNotFound) << missing;
}

TEST_F(PackTest, PathsBelowAFolderNeverLeaveIt) {
  MemoryTree tree;
  tree.AddFile("a/b/file", "x")
      .AddFile("other", "y")
      .AddSymlink("a/way", "b/../b")
      .AddSymlink("a/above", "../../other");
  const auto pack = Write(tree);
  const NodeNumber root = ResolvePath(pack->index(), "a", LastSymlink::kFollow).value();
  const NodeNumber file = ResolvePath(pack->index(), "a/b/file", LastSymlink::kFollow).value();
  const auto walk = [&](std::string_view path) { return ResolvePath(pack->index(), path, LastSymlink::kFollow, root); };
  EXPECT_EQ(walk("").value(), root);
  for (const char* path : {"b/file", "/b/file", "../../b/file", "b/../../b/file", "way/file"})
    EXPECT_EQ(walk(path).value(), file) << path;
  for (const char* outside : {"other", "../other", "above", "a/b/file"})
    EXPECT_EQ(walk(outside).error().code, ErrorCode::kNotFound) << outside;
}

TEST_F(PackTest, XattrsAndLinkCountsAreKept) {
  MemoryTree tree;
  tree.AddFile("f", "x").AddHardLink("g", "f").AddHardLink("h", "f").AddDirectory("d/e").AddDirectory("d/f");
  tree.SetXattr("f", "user.label", "cat").SetXattr("f", "user.empty", "");
  const auto pack = Write(tree);
  const Index& index = pack->index();
  const Attributes attributes = index.GetAttributes(NodeAt(*pack, "g").attributes).value();
  EXPECT_EQ(attributes.nlink, 3U);
  std::map<std::string, std::string> xattrs;
  OkOrDie(index.ForEachXattr(attributes, [&](const Xattr& xattr) {
    xattrs[std::string(xattr.name)] = AsText(xattr.value);
    return true;
  }));
  EXPECT_EQ(xattrs, (std::map<std::string, std::string>{{"user.label", "cat"}, {"user.empty", ""}}));
  EXPECT_EQ(index.GetAttributes(NodeAt(*pack, "d").attributes)->nlink, 4U);
  EXPECT_EQ(index.GetAttributes(NodeAt(*pack, "").attributes)->nlink, 3U);
}

TEST_F(PackTest, TheNewestValidSuperblockCounts) {
  const MemoryTree tree = OddTree();
  tree.WriteTo(path_);
  std::string bytes = ReadFile(path_);
  Superblock second = ValueOrDie(DecodeSuperblock(std::as_bytes(std::span(bytes))));
  second.generation = 2;
  EncodeSuperblock(second, std::as_writable_bytes(std::span(bytes)).subspan<kSuperblockBytes, kSuperblockBytes>());
  WriteFile(path_, bytes);
  EXPECT_EQ(ValueOrDie(Pack::Open(path_))->superblock().generation, 2U);
  bytes[kSuperblockBytes + 100] ^= 1;  // torn: the one before counts
  WriteFile(path_, bytes);
  const auto pack = ValueOrDie(Pack::Open(path_));
  EXPECT_EQ(pack->superblock().generation, 1U);
  EXPECT_TRUE(pack->slot_damage().has_value());
  ExpectContents(*pack, tree);
}

TEST(OldPacks, APackOfFormat1IsRefusedWithTheRemedy) {
  const auto pack = Pack::Open(QUIRE_SOURCE_DIR "/tests/data/refuses-format-1.0.quire");
  ASSERT_FALSE(pack.has_value());
  EXPECT_EQ(pack.error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(pack.error().message.contains("format 1.0")) << pack.error().message;
  EXPECT_TRUE(pack.error().message.contains("pack its source again")) << pack.error().message;
}

// Packs live longer than releases: every later one must read what the first one of the format wrote.
TEST(OldPacks, APackOfFormat20IsRead) {
  const auto pack = ValueOrDie(Pack::Open(QUIRE_SOURCE_DIR "/tests/data/reads-format-2.0.quire"));
  MemoryTree tree;
  tree.AddFile("dir/a", "some bytes")
      .AddFile("dir/b", std::string(300, 'b'))
      .AddFile("empty", "")
      .AddFile("dir/sub/c", "c");
  tree.AddHardLink("zz/hard", "dir/a").AddFile("sparse", std::string(8192, '\0').replace(4096, 5, "bytes"));
  for (const auto& [path, content] : tree.Contents()) EXPECT_EQ(ReadSampleAt(*pack, path).value(), content) << path;
  const Index& index = pack->index();
  const Node link = ValueOrDie(index.GetNode(ValueOrDie(ResolvePath(index, "link", LastSymlink::kKeep))));
  EXPECT_EQ(index.GetTarget(link).value(), "dir/a");
  const Node a = ValueOrDie(index.GetNode(ValueOrDie(ResolvePath(index, "dir/a", LastSymlink::kKeep))));
  const Attributes attributes = ValueOrDie(index.GetAttributes(a.attributes));
  EXPECT_EQ(attributes.mode, 0640U);
  EXPECT_EQ(attributes.nlink, 2U);
  EXPECT_EQ(DecodeMtime(a.mtime).tv_sec, 1234567890);
  EXPECT_EQ(DecodeMtime(a.mtime).tv_nsec, 123456789);
  std::string label;
  OkOrDie(index.ForEachXattr(attributes, [&](const Xattr& xattr) {
    label = fmt::format("{}={}", xattr.name, AsText(xattr.value));
    return true;
  }));
  EXPECT_EQ(label, "user.label=cat");
}

TEST_F(PackTest, WhatIsNoPackIsRefusedWithItsName) {
  WriteFile(path_, "");
  for (const char* bytes : {"", "hello", "PK\x03\x04"}) {
    WriteFile(path_, bytes);
    const auto opened = Pack::Open(path_);
    ASSERT_FALSE(opened.has_value());
    EXPECT_TRUE(opened.error().message.starts_with(path_)) << opened.error().message;
    EXPECT_TRUE(opened.error().message.contains("not a Quire pack")) << opened.error().message;
  }
  EXPECT_EQ(Pack::Open(folder_ / "missing").error().system_errno, ENOENT);
  EXPECT_FALSE(Pack::Open(folder_.path()).has_value());
}

TEST_F(PackTest, WhatCannotBeAPackIsRefusedAtOnce) {
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(Pack::Open(fifo).error().message.contains("FIFO"));  // and nobody ever writes to it
  EXPECT_TRUE(Pack::Open("/dev/zero").error().message.contains("character device"));
}

TEST_F(PackTest, BytesBehindItsEndAreCounted) {
  OddTree().WriteTo(path_);
  EXPECT_EQ(ValueOrDie(Pack::Open(path_))->trailing_bytes(), 0U);
  WriteFile(path_, ReadFile(path_) + "more");
  EXPECT_EQ(ValueOrDie(Pack::Open(path_))->trailing_bytes(), 4U);
}

TEST_F(PackTest, ATruncatedPackIsRefusedAtOpening) {
  OddTree().WriteTo(path_);
  std::string bytes = ReadFile(path_);
  bytes.pop_back();
  WriteFile(path_, bytes);
  const auto opened = Pack::Open(path_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().message.find("truncated"), std::string::npos) << opened.error().message;
}

}  // namespace
}  // namespace quire
