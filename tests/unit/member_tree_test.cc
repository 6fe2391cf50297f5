// SPDX-License-Identifier: Apache-2.0
// Goal: whatever order members come in, they make one sorted tree whose files lie in the archive, cut at its pages.
// Method: random members against a model of paths and bytes; the index is read back as any pack's, and verified.
#include "format/import/member_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/import/extent_cutter.h"
#include "format/pack/path_resolver.h"
#include "format/pack/sample_content.h"
#include "format/pack/verifier.h"
#include "format/pack/volume_files.h"
#include "format/write/index_writer.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint64_t kArchiveBytes = 14 << 20;

class MemberTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string bytes(kArchiveBytes, '\0');
    std::mt19937_64 random(1);
    for (char& byte : bytes) byte = static_cast<char>(random());
    archive_ = bytes;
    WriteFile(folder_ / "archive", bytes);
  }

  static Member File(const std::string& path, std::vector<MemberRun> runs, uint64_t size_bytes) {
    Member member;
    member.path = path;
    member.mode = 0644;
    member.runs = std::move(runs);
    member.size_bytes = size_bytes;
    return member;
  }
  static Member File(const std::string& path, uint64_t offset, uint64_t bytes) {
    return File(path, bytes == 0 ? std::vector<MemberRun>() : std::vector{MemberRun{0, offset, bytes}}, bytes);
  }
  static Member Other(MemberKind kind, const std::string& path, const std::string& target = "") {
    Member member;
    member.kind = kind;
    member.path = path;
    member.target = target;
    member.mode = 0750;
    return member;
  }

  void Add(const Member& member, const std::string& top = "") { OkOrDie(tree_.Add(member, 1, top)); }

  // The index of all that was added, as a reader finds it, free of faults. `overlapping`: files that were refused.
  // `damaged`: those whose bytes are not what the archive says.
  void Write(uint64_t overlapping = 0, uint64_t damaged = 0) {
    const auto file = ValueOrDie(quire::File::Open(folder_ / "archive", O_RDONLY));
    Volume volume{.kind = VolumeKind::kFile, .sum_kind = sum_kind_, .location_bytes = 7, .data_end = kArchiveBytes};
    OkOrDie(SetIdentity(file, volume));
    volume.location_offset = ValueOrDie(tables_.AddText("archive"));
    tables_.volumes = {{.data_begin = kDataBegin, .data_end = kDataBegin}, volume};
    OkOrDie(tree_.Finish());
    ExtentCutter cutter(tables_);
    uint64_t refused = 0;
    OkOrDie(tree_.ForEachFile([&](const MemberTree::Content& file) -> Result<void> {
      if (!ValueOrDie(cutter.Add(file))) ++refused;
      return {};
    }));
    EXPECT_EQ(refused, overlapping);
    Superblock superblock;
    superblock.generation = 1;
    superblock.index_offset = kDataBegin;
    const auto output = ValueOrDie(quire::File::Open(folder_ / "index", O_RDWR | O_CREAT | O_TRUNC, 0644));
    OkOrDie(WriteIndex(tables_, output, superblock));
    OkOrDie(CommitGeneration(output, superblock));
    pack_ = ValueOrDie(Pack::Open(folder_ / "index"));
    pack_->OpenVolumes({});
    if (refused > 0) return;
    WorkerPool pool(1);
    const auto summary = ValueOrDie(VerifyPack(*pack_, pool, {.on_fault = [&](const Fault& fault) {
      EXPECT_GT(damaged, 0U) << fault.path << ": " << fault.message;
    }}));
    EXPECT_EQ(summary.faults, damaged);
  }

  Node NodeAt(const std::string& path) {
    const auto number = ValueOrDie(ResolvePath(pack_->index(), path, LastSymlink::kKeep));
    return ValueOrDie(pack_->index().GetNode(number));
  }

  std::string Read(const std::string& path) {
    const Node node = NodeAt(path);
    std::string content(node.size_bytes, '\0');
    for (uint64_t at = 0; at < node.size_bytes;) {
      const ContentRun run = ValueOrDie(FindRun(pack_->index(), node, at));
      if (run.extent) {
        const Extent extent = ValueOrDie(pack_->index().GetExtent(*run.extent));
        std::vector<std::byte> bytes(extent.length_bytes);
        OkOrDie(pack_->ReadExtent(extent, bytes));
        std::memcpy(content.data() + at, bytes.data() + run.extent_offset, run.length_bytes);
      }
      at += run.length_bytes;
    }
    return content;
  }

  SumKind sum_kind_ = SumKind::kNone;
  TemporaryFolder folder_;
  std::string archive_;
  std::vector<std::string> told_;
  IndexTables tables_{folder_.path()};
  MemberTree tree_{tables_, folder_.path(), [this](std::string_view path, std::string_view reason) {
                     told_.push_back(std::string(path) + ": " + std::string(reason));
                   }};
  std::unique_ptr<Pack> pack_;
};

TEST_F(MemberTreeTest, RandomMembersMakeTheTreeOfTheModel) {
  std::mt19937_64 random(2);
  std::map<std::string, std::string> model;
  uint64_t at = 0;
  for (int i = 0; i < 2000; ++i) {
    // Few names, so that many come again; no name is both a file and a folder.
    std::string path;
    for (uint64_t depth = random() % 4; depth > 0; --depth) path += "folder" + std::to_string(random() % 5) + "/";
    path += "file_" + std::to_string(random() % 300);
    uint64_t bytes = random() % 9000;
    if (i % 97 == 0) bytes = 0;
    if (at + bytes > kArchiveBytes) bytes = 0;
    Add(File(path, at, bytes));
    model[path] = archive_.substr(at, bytes);
    at += bytes + random() % 500;
  }
  Write();
  for (const auto& [path, content] : model) ASSERT_EQ(Read(path), content) << path;
  EXPECT_EQ(pack_->superblock().samples, model.size());
  EXPECT_TRUE(told_.empty());
}

TEST_F(MemberTreeTest, FilesAreCutWhereAPageEnds) {
  Add(File("in one page", 0, kPageBytes));
  Add(File("across", kPageBytes + 100, kPageBytes));
  Add(File("from a border", 3 * kPageBytes, kPageBytes + 1));
  Add(File("many pages", 4 * kPageBytes + 512, 2 * kPageBytes - 512 + 7));
  Write();
  for (const auto& [path, offset] : std::map<std::string, uint64_t>{{"in one page", 0},
                                                                    {"across", kPageBytes + 100},
                                                                    {"from a border", 3 * kPageBytes},
                                                                    {"many pages", 4 * kPageBytes + 512}})
    EXPECT_TRUE(Read(path) == archive_.substr(offset, NodeAt(path).size_bytes)) << path;
  EXPECT_EQ(NodeAt("in one page").kind, NodeKind::kFile);
  EXPECT_EQ(NodeAt("across").kind, NodeKind::kSegmented);
  EXPECT_EQ(pack_->index().segment_count(), 2U + 1U + 2U) << "one of whole pages where it begins at a page";
}

TEST_F(MemberTreeTest, HolesReadAsZeros) {
  Add(File("sparse", {{1000, 0, 50}, {5000, 50, 7}}, 9000));
  Add(File("hole", std::vector<MemberRun>(), 100));
  Write();
  std::string expected(9000, '\0');
  expected.replace(1000, 50, archive_.substr(0, 50));
  expected.replace(5000, 7, archive_.substr(50, 7));
  EXPECT_EQ(Read("sparse"), expected);
  EXPECT_EQ(Read("hole"), std::string(100, '\0'));
}

TEST_F(MemberTreeTest, ManyNamesWithOneBeginningAreSorted) {
  // Shuffled, and each longer than what the sort compares at first.
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i)
    names.push_back("a common beginning " + std::to_string(i * 7919 % 3000) + " and an end");
  for (const std::string& name : names) Add(File(name, 0, 0));
  Write();
  for (const std::string& name : names) EXPECT_EQ(NodeAt(name).size_bytes, 0U) << "found by a binary search";
}

TEST_F(MemberTreeTest, ALinkNamesWhatStoodBeforeIt) {
  Add(File("x", 0, 10));
  Add(Other(MemberKind::kHardLink, "first", "./x"));
  Add(File("x", 10, 20));
  Add(Other(MemberKind::kHardLink, "second", "x"));
  Add(Other(MemberKind::kHardLink, "chain", "first"));
  Add(Other(MemberKind::kHardLink, "early", "late"));
  Add(File("late", 30, 5));
  Add(Other(MemberKind::kHardLink, "self", "self"));
  Write();
  EXPECT_EQ(Read("first"), archive_.substr(0, 10));
  EXPECT_EQ(Read("chain"), archive_.substr(0, 10));
  EXPECT_EQ(Read("x"), archive_.substr(10, 20));
  EXPECT_EQ(Read("second"), archive_.substr(10, 20));
  EXPECT_EQ(told_.size(), 2U) << "early and self";
  EXPECT_EQ(pack_->superblock().hard_links, 2U);
}

TEST_F(MemberTreeTest, ALinkMayBringTheBytesOfWhatItNames) {
  Add(File("x", 0, 0));
  Add(Other(MemberKind::kHardLink, "first", "x"));
  Add(File("y", 10, 10));
  Member last = Other(MemberKind::kHardLink, "last", "x");
  last.runs = {{.file_offset = 0, .offset = 30, .length_bytes = 20},
               {.file_offset = 25, .offset = 50, .length_bytes = 5}};
  last.size_bytes = 40;
  Add(last);
  Add(File("z", 60, 10));
  Write();
  const std::string hole(5, '\0');
  for (const char* name : {"x", "first", "last"})
    EXPECT_EQ(Read(name), archive_.substr(30, 20) + hole + archive_.substr(50, 5) + hole + hole) << name;
  EXPECT_EQ(pack_->superblock().hard_links, 2U);
  EXPECT_TRUE(told_.empty());
}

TEST_F(MemberTreeTest, AFolderHasTheAttributesOfItsMemberWheneverThatComes) {
  Member file = File("a/b/file", 0, 1);
  file.uid = 7;
  file.mtime = 99;
  Add(file);
  Member folder = Other(MemberKind::kDirectory, "a/");
  folder.mtime = 5;
  Add(folder);
  Write();
  EXPECT_EQ(ValueOrDie(pack_->index().GetAttributes(NodeAt("a").attributes)).mode, 0750U);
  EXPECT_EQ(NodeAt("a").mtime, 5U);
  const Attributes implied = ValueOrDie(pack_->index().GetAttributes(NodeAt("a/b").attributes));
  EXPECT_EQ(implied.mode, 0755U);
  EXPECT_EQ(implied.uid, 7U);
  EXPECT_EQ(NodeAt("a/b").mtime, 99U);
}

TEST_F(MemberTreeTest, WhatHasNoPlaceInATreeIsTold) {
  Add(File("..", 0, 1));
  Add(File("a/../b", 0, 1));
  Add(File("/", 0, 1));
  Add(File(std::string(256, 'n'), 0, 1));
  Add(File(std::string("a\0b", 3), 0, 1));
  std::string deep;
  for (int i = 0; i < 1100; ++i) deep += "abc/";
  Add(File(deep + "x", 0, 1));
  Add(Other(MemberKind::kSymlink, "to nothing", ""));
  Add(Other(MemberKind::kSymlink, "too far", std::string(4096, 't')));
  EXPECT_EQ(told_.size(), 8U);
  Add(File("a", 0, 1));
  Add(File("a/b", 1, 1));
  Write();
  EXPECT_EQ(told_.size(), 9U) << "a is a folder";
  EXPECT_EQ(pack_->superblock().samples, 1U);
}

TEST_F(MemberTreeTest, AFileWhoseBytesAreAnothersIsRefused) {
  Add(File("x", 0, 100));
  Add(File("y", 50, 100));
  Add(File("z", 100, 100));
  Write(1);
}

TEST_F(MemberTreeTest, MembersOfATopLieThereWithTheTargetsOfTheirLinks) {
  Add(File("x", 0, 10), "one");
  Add(File("x", 10, 10), "two");
  Add(Other(MemberKind::kHardLink, "y", "x"), "two");
  Add(Other(MemberKind::kSymlink, "s", "x"), "two");
  Write();
  EXPECT_EQ(Read("one/x"), archive_.substr(0, 10));
  EXPECT_EQ(Read("two/y"), archive_.substr(10, 10));
  EXPECT_EQ(ValueOrDie(pack_->index().GetTarget(NodeAt("two/s"))), "x");
}

TEST_F(MemberTreeTest, ASumOfTheArchiveIsThatOfAFileInOnePage) {
  sum_kind_ = SumKind::kCrc32;
  const auto add = [&](const std::string& path, uint64_t offset, uint64_t bytes, uint32_t wrong) {
    Member member = File(path, offset, bytes);
    member.crc32 = Crc32(AsBytes(std::string_view(archive_).substr(offset, bytes))) ^ wrong;
    Add(member);
  };
  add("right", 0, 1000, 0);
  add("wrong", 1000, 1000, 1);
  add("of several pages", kPageBytes + 1, 2 * kPageBytes, 1);  // whose parts have sums that nobody knows
  Write(0, 1);
  EXPECT_EQ(Read("right"), archive_.substr(0, 1000));
  EXPECT_EQ(Read("of several pages"), archive_.substr(kPageBytes + 1, 2 * kPageBytes));
  const Node node = NodeAt("wrong");
  std::vector<std::byte> bytes(1000);
  EXPECT_FALSE(pack_->ReadExtent(ValueOrDie(pack_->index().GetExtent(node.content)), bytes));
}

TEST_F(MemberTreeTest, WithoutMembersThereIsAnEmptyFolder) {
  Write();
  EXPECT_EQ(pack_->index().node_count(), 1U);
}

}  // namespace
}  // namespace quire
