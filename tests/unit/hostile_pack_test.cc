// SPDX-License-Identifier: Apache-2.0
// Goal: a pack whose numbers lie, and whose sums are good, is no more than a tree to any reader, and its lies are told.
// Method: records of small packs are replaced and the sums made good again, one lie a test.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "format/coding.h"
#include "format/pack/coded_members.h"
#include "format/pack/pack.h"
#include "format/pack/path_resolver.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/support/forged_pack.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class HostilePack : public testing::Test {
 protected:
  std::unique_ptr<Pack> Open(ForgedPack& forged) {
    WriteFile(path_, forged.Bytes());
    return ValueOrDie(Pack::Open(path_));
  }

  std::unique_ptr<Pack> Open(const std::function<void(IndexTables&)>& fill) {
    IndexTables tables(folder_.path());
    fill(tables);
    WriteTables(tables, "", path_);
    return ValueOrDie(Pack::Open(path_));
  }

  // A tree of each kind of entry, to be forged.
  ForgedPack Forgeable() {
    MemoryTree tree;
    tree.AddFile("a", "some bytes").AddFile("b", "others").AddSymlink("l", "a").AddHardLink("z/hard", "a");
    tree.AddDirectory("z/empty").AddFile("z/large", Noise(3 << 20, 1)).SetXattr("a", "user.label", "cat");
    tree.WriteTo(path_);
    return ForgedPack(ReadFile(path_));
  }

  // Of the entry at `path` in the pack that Forgeable wrote.
  NodeNumber NumberOf(const std::string& path) {
    return ValueOrDie(ResolvePath(ValueOrDie(Pack::Open(path_))->index(), path, LastSymlink::kKeep));
  }

  static std::vector<std::string> Faults(const Pack& pack) {
    std::vector<std::string> faults;
    WorkerPool pool(2);
    const auto summary = VerifyPack(
        pack, pool, {.on_fault = [&](const Fault& fault) { faults.push_back(fault.path + ": " + fault.message); }});
    EXPECT_TRUE(summary.has_value());
    return faults;
  }

  static void ExpectFault(const Pack& pack, std::string_view words) {
    const auto faults = Faults(pack);
    const bool is_told = std::ranges::any_of(faults, [&](const std::string& told) { return told.contains(words); });
    EXPECT_TRUE(is_told) << "no fault says '" << words << "' of " << faults.size() << ": "
                         << (faults.empty() ? "" : faults.front());
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "t.quire";
};

// How often entries of the pack can be reached, counted up to a limit.
uint64_t CountPaths(const Index& index, uint64_t limit) {
  std::vector<NodeNumber> pending = {0};
  uint64_t paths = 0;
  while (!pending.empty() && paths < limit) {
    const auto node = index.GetNode(pending.back());
    pending.pop_back();
    if (!node) continue;
    ++paths;
    if (node->kind != NodeKind::kDirectory) continue;
    const auto directory = index.GetDirectory(node->content);
    if (!directory) continue;
    for (uint64_t i = 0; i < directory->child_count; ++i) pending.push_back(directory->first_child + i);
  }
  return paths;
}

TEST_F(HostilePack, DirectoriesThatShareTheirChildrenAreRefused) {
  const auto pack = Open([](IndexTables& tables) { FillWithSharedChildren(tables, 40, false); });
  EXPECT_LE(CountPaths(pack->index(), 1'000'000), pack->index().node_count());
  ExpectFault(*pack, "children from");
}

// Each record begins where the one before it ends, of those that a walk comes to: so that alone is no tree.
TEST_F(HostilePack, SoAreThoseWithARecordBetweenThem) {
  const auto pack = Open([](IndexTables& tables) { FillWithSharedChildren(tables, 40, true); });
  EXPECT_LE(CountPaths(pack->index(), 1'000'000), pack->index().node_count());
  ExpectFault(*pack, "is a child of directory");
}

TEST_F(HostilePack, ADirectoryMustBeginWhereItsPredecessorEnds) {
  ForgedPack forged = Forgeable();
  const NodeNumber empty = NumberOf("z/empty");
  ASSERT_EQ(forged.superblock.records(Section::kDirectories), 3U);  // root, z, z/empty
  const uint64_t nodes = forged.superblock.records(Section::kNodes);
  EXPECT_TRUE(Open(forged)->index().GetDirectory(2).has_value());
  // Empty, so that it holds no other's child: only its place tells.
  forged.Replace(Section::kDirectories, 2, Directory{.first_child = nodes - 1, .child_count = 0, .node = empty});
  EXPECT_FALSE(Open(forged)->index().GetDirectory(2).has_value());
}

TEST_F(HostilePack, PathsAreNoLongerThanASystemCallTakes) {
  constexpr uint64_t kLongestChain = 2048;  // names of one byte: 2047 directories, as many slashes, a file
  for (const auto& [levels, is_good] : {std::pair(kLongestChain, true), std::pair(kLongestChain + 1, false)}) {
    const auto pack = Open([&](IndexTables& tables) { FillWithChain(tables, levels, 1); });
    const auto path = pack->index().GetPath(pack->index().node_count() - 1);
    EXPECT_EQ(path.has_value(), is_good) << levels;
    if (!is_good) {
      ExpectFault(*pack, "longer than 4095 bytes");
      continue;
    }
    EXPECT_EQ(path->size(), kMaxPathBytes);
    EXPECT_EQ(Faults(*pack), std::vector<std::string>());
  }
}

TEST_F(HostilePack, VeryDeepChainsAreWalkedWithoutRecursion) {
  const auto pack = Open([](IndexTables& tables) { FillWithChain(tables, 200'000, 1); });
  EXPECT_FALSE(pack->index().GetPath(pack->index().node_count() - 1).has_value());
  ExpectFault(*pack, "longer than 4095 bytes");
}

TEST_F(HostilePack, NamesThatLeadElsewhereAreRefused) {
  const std::vector<std::string> names = {"/", ".", "..", "a/b", "../x", std::string("a\0b", 3)};
  for (const std::string& name : names) {
    const auto pack = Open([&](IndexTables& tables) {
      tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
      const Node root{.size_bytes = kDirectorySizeBytes, .attributes = 0, .kind = NodeKind::kDirectory};
      ValueOrDie(tables.AddNode(root, ""));
      ValueOrDie(tables.AddNode({.attributes = 1, .kind = NodeKind::kFile}, name));
      OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 1, .node = 0}));
    });
    const Index& index = pack->index();
    EXPECT_FALSE(index.GetName(ValueOrDie(index.GetNode(1))).has_value()) << name;
    EXPECT_FALSE(index.GetPath(1).has_value()) << name;
    EXPECT_FALSE(Faults(*pack).empty()) << name;
  }
}

TEST_F(HostilePack, AnExtentNamesANodeThatIsThere) {
  ForgedPack forged = Forgeable();
  Extent extent = DecodeExtent(forged.record(Section::kExtents, 0));
  extent.node = uint64_t{1} << 39;
  forged.Replace(Section::kExtents, 0, extent);
  EXPECT_FALSE(Open(forged)->index().GetExtent(0).has_value());
}

TEST_F(HostilePack, NoExtentCrossesAPageOfAnyVolume) {
  ForgedPack forged = Forgeable();
  Extent extent = DecodeExtent(forged.record(Section::kExtents, 0));
  extent.offset = kPageBytes - 2;
  extent.length_bytes = 4;
  forged.Replace(Section::kExtents, 0, extent);
  EXPECT_FALSE(Open(forged)->index().GetExtent(0).has_value());
}

TEST_F(HostilePack, AnUnknownKindOfNodeIsOfALaterRelease) {
  ForgedPack forged = Forgeable();
  Node node = DecodeNode(forged.record(Section::kNodes, 1));
  node.kind = static_cast<NodeKind>(7);
  forged.Replace(Section::kNodes, 1, node);
  const auto read = Open(forged)->index().GetNode(1);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kUnsupported);
  node.kind = NodeKind::kReference;
  forged.Replace(Section::kNodes, 1, node);
  EXPECT_EQ(Open(forged)->index().GetNode(1).error().code, ErrorCode::kCorrupt) << "which one layer has none of";
}

TEST_F(HostilePack, AttributesThatCannotBeShownAreSkipped) {
  const auto pack = Open([](IndexTables& tables) {
    tables.attributes = {{.mode = 0755, .nlink = 2}};
    std::string list = EncodeXattr("security.capability", "all");
    list += EncodeXattr("user.", "no name") + EncodeXattr("user.label", "cat");
    OkOrDie(tables.InternXattrs(list, tables.attributes[0]));
    ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
    OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 0, .node = 0}));
  });
  std::vector<std::string> shown;
  const auto attributes = ValueOrDie(pack->index().GetAttributes(0));
  OkOrDie(pack->index().ForEachXattr(attributes, [&](const Xattr& xattr) {
    shown.emplace_back(xattr.name);
    return true;
  }));
  EXPECT_EQ(shown, std::vector<std::string>{"user.label"});
  EXPECT_EQ(Faults(*pack), std::vector<std::string>());
}

TEST_F(HostilePack, ListsOfAttributesHaveALimit) {
  ForgedPack forged = Forgeable();
  Attributes attributes = DecodeAttributes(forged.record(Section::kAttributes, 0));
  attributes.xattr_bytes = kMaxXattrListBytes + 1;
  forged.Replace(Section::kAttributes, 0, attributes);
  EXPECT_FALSE(Open(forged)->index().GetAttributes(0).has_value());
}

TEST_F(HostilePack, AnHonestOneHasNoFault) {
  ForgedPack forged = Forgeable();
  EXPECT_EQ(Faults(*Open(forged)), std::vector<std::string>());
}

TEST_F(HostilePack, WrongCountsInTheSuperblockAreTold) {
  const std::vector<std::pair<uint64_t Superblock::*, std::string>> counts = {
      {&Superblock::samples, "samples"},
      {&Superblock::symlinks, "symlinks"},
      {&Superblock::hard_links, "hard links"},
      {&Superblock::sample_bytes, "sample bytes"},
      {&Superblock::stored_bytes, "stored bytes"}};
  for (const auto& [count, what] : counts) {
    ForgedPack forged = Forgeable();
    --(forged.superblock.*count);
    ExpectFault(*Open(forged), what);
  }
}

TEST_F(HostilePack, WrongLinkCountsAreTold) {
  for (const char* path : {"a", "b", "l", "z", ""}) {
    ForgedPack forged = Forgeable();
    // All that have these attributes, of which the entry is one.
    const uint32_t number = DecodeNode(forged.record(Section::kNodes, NumberOf(path))).attributes;
    Attributes attributes = DecodeAttributes(forged.record(Section::kAttributes, number));
    ++attributes.nlink;
    forged.Replace(Section::kAttributes, number, attributes);
    ExpectFault(*Open(forged), "links");
  }
}

TEST_F(HostilePack, AttributesOfTheRootAreChecked) {
  const auto pack = Open([](IndexTables& tables) {
    tables.attributes = {{.mode = 0755, .nlink = 2, .xattr_bytes = 1000}};
    ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
    OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 0, .node = 0}));
  });
  ExpectFault(*pack, "xattrs");
}

TEST_F(HostilePack, ADirectoryRecordOfAnotherEntryIsTold) {
  ForgedPack forged = Forgeable();
  Node node = DecodeNode(forged.record(Section::kNodes, NumberOf("z/empty")));
  node.kind = NodeKind::kFile;
  node.size_bytes = 0;
  forged.Replace(Section::kNodes, NumberOf("z/empty"), node);
  ExpectFault(*Open(forged), "is another entry");
}

TEST_F(HostilePack, ExtentsThatAreNotTheirNodesAreTold) {
  ForgedPack forged = Forgeable();
  Extent extent = DecodeExtent(forged.record(Section::kExtents, 0));
  const NodeNumber owner = extent.node;
  extent.node = NumberOf(owner == NumberOf("a") ? "b" : "a");
  forged.Replace(Section::kExtents, 0, extent);
  ExpectFault(*Open(forged), "as it says");
}

TEST_F(HostilePack, ExtentsAndSegmentsThatNobodyHasAreTold) {
  ForgedPack forged = Forgeable();
  Node node = DecodeNode(forged.record(Section::kNodes, NumberOf("z/large")));
  node.content = kMaxRecords;  // one hole
  forged.Replace(Section::kNodes, NumberOf("z/large"), node);
  const auto pack = Open(forged);
  ExpectFault(*pack, "extent");
  ExpectFault(*pack, "segment");
}

TEST_F(HostilePack, ADamagedSecondSlotIsTold) {
  std::string bytes = Forgeable().Bytes();
  bytes[kSuperblockBytes + 500] = 1;
  WriteFile(path_, bytes);
  ExpectFault(*ValueOrDie(Pack::Open(path_)), "slot 1");
}

TEST_F(HostilePack, VerifyTellsAsMuchAsItIsAskedForAndCountsTheRest) {
  constexpr int kNames = 5000;
  MemoryTree tree;
  for (int i = 0; i < kNames; ++i) tree.AddFile(fmt::format("{}/{:05}", i % 7, i), "x");
  tree.WriteTo(path_);
  ForgedPack forged(ReadFile(path_));
  for (uint64_t i = 8; i < forged.superblock.records(Section::kNodes); ++i) {
    Node node = DecodeNode(forged.record(Section::kNodes, i));
    node.attributes = 0xffffffff;
    forged.Replace(Section::kNodes, i, node);
  }
  const auto pack = Open(forged);
  for (const unsigned threads : {1U, 4U}) {
    uint64_t told = 0;
    WorkerPool pool(threads);
    const auto summary =
        ValueOrDie(VerifyPack(*pack, pool, {.on_fault = [&](const Fault&) { ++told; }, .fault_limit = 100}));
    EXPECT_EQ(told, 100U);
    EXPECT_GE(summary.faults, kNames + 0U);
  }
}

// What a decoded volume is made of: each lie about a coded member is told, and none is followed.
TEST_F(HostilePack, CodedMembersMustLieInTheirVolumesAndBehindEachOther) {
  constexpr uint64_t kBaseBytes = 3 << 20;
  const auto open = [&](const std::vector<CodedMember>& members, Volume decoded) {
    WriteFile(folder_ / "archive", std::string(kBaseBytes, 'x'));
    auto pack = Open([&](IndexTables& tables) {
      tables.attributes = {{.mode = 0755, .nlink = 2}};
      ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
      OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 0, .node = 0}));
      const std::string_view location = "archive";
      tables.volumes = {{.kind = VolumeKind::kFile,
                         .sum_kind = SumKind::kCrc32,
                         .location_bytes = static_cast<uint32_t>(location.size()),
                         .location_offset = ValueOrDie(tables.AddText(location)),
                         .data_end = kBaseBytes},
                        decoded};
      for (const CodedMember& member : members) OkOrDie(tables.coded_members.Append(member));
    });
    pack->OpenVolumes({});
    return pack;
  };
  const Volume decoded{
      .kind = VolumeKind::kDecoded, .sum_kind = SumKind::kCrc32, .base = 1, .data_end = 100 * kPageBytes};
  const CodedMember good{.volume = 2, .size_bytes = 1000, .stored_offset = 100, .stored_bytes = 500};
  EXPECT_EQ(Faults(*open({good}, decoded)), std::vector<std::string>());
  const auto expect = [&](const std::string& words, const std::vector<CodedMember>& members) {
    const auto pack = open(members, decoded);
    ExpectFault(*pack, words);
    std::vector<std::byte> page(kPageBytes);
    const auto read = pack->ReadRaw(2, 0, page);
    const bool is_refused = !read && read.error().code != ErrorCode::kSystem;
    EXPECT_EQ(is_refused, members.back().volume == 2) << words;
  };
  const auto like = [](CodedMember member, auto field, auto value) {
    member.*field = value;
    return member;
  };
  expect("lie outside of volume 0", {like(good, &CodedMember::volume, uint16_t{0})});
  expect("lie outside of volume 1", {like(good, &CodedMember::volume, uint16_t{1})});
  expect("lie outside of volume 2", {like(good, &CodedMember::size_bytes, 0U)});
  expect("lie outside of volume 2", {like(good, &CodedMember::size_bytes, UINT64_MAX)});
  expect("lie outside of volume 1", {like(good, &CodedMember::stored_offset, kBaseBytes - 499)});
  expect("lie outside of volume 1", {like(good, &CodedMember::stored_bytes, UINT64_MAX)});
  expect("codec 7", {like(good, &CodedMember::codec, static_cast<Codec>(7))});
  expect("more than deflate can do", {like(good, &CodedMember::size_bytes, 1'000'000U)});
  expect("no compression", {like(good, &CodedMember::stored_bytes, 100'000U)});
  expect("cross a page boundary", {like(good, &CodedMember::offset, kPageBytes - 999)});
  expect("before the one before it ends", {good, like(good, &CodedMember::stored_offset, 600U)});
  expect("before the one before it ends", {good, like(good, &CodedMember::offset, 1000U)});

  // Members of another volume among those that a search in a sorted table would find: none of them is read.
  Volume third = decoded;
  const auto pack = [&] {
    std::vector<CodedMember> members;
    for (uint64_t i = 0; i < 16; ++i)
      members.push_back({.offset = (uint64_t{1} << 30) + i * 1000,
                         .volume = 2,
                         .size_bytes = 1000,
                         .stored_offset = i * 500,
                         .stored_bytes = 500});
    members[3].volume = members[4].volume = 3;
    members[3].offset = 0;
    third.data_end = uint64_t{1} << 31;
    return open(members, third);
  }();
  std::vector<std::byte> bytes(1000);
  for (uint64_t i = 0; i < 16; ++i) static_cast<void>(pack->ReadRaw(2, (uint64_t{1} << 30) + i * 1000, bytes));
  EXPECT_FALSE(pack->ReadRaw(2, (uint64_t{1} << 30) + 2000, std::span(bytes)).has_value() &&
               pack->ReadRaw(2, (uint64_t{1} << 30) + 3000, std::span(bytes)).has_value());

  const auto refused = [&](Volume volume) { return open({good}, volume)->CheckVolume(2).error().message; };
  const auto with = [&](auto field, auto value) {
    Volume volume = decoded;
    volume.*field = value;
    return volume;
  };
  EXPECT_TRUE(refused(with(&Volume::sum_kind, SumKind::kNone)).contains("has no sums"));
  EXPECT_TRUE(refused(with(&Volume::base, uint16_t{0})).contains("without frames"));
  EXPECT_TRUE(refused(with(&Volume::frame_bytes, uint32_t{kFrameBytes})).contains("no section of dictionaries"));
  EXPECT_TRUE(refused(with(&Volume::frame_bytes, uint32_t{4096})).contains("frames of 4096 bytes"));
  EXPECT_TRUE(refused(with(&Volume::base, uint16_t{2})).contains("does not stand before it"));
  EXPECT_TRUE(refused(with(&Volume::base, uint16_t{9})).contains("does not stand before it"));
  EXPECT_TRUE(refused(with(&Volume::data_end, uint64_t{1} << 52)).contains("bytes 0 to"));
}

// The same of frames in the pack itself.
class HostileFrames : public HostilePack {
 protected:
  HostileFrames() {
    MemoryTree tree;
    tree.AddFile("a.txt", Text(1000, 1)).AddFile("b.txt", Text(2000, 2)).AddFile("large.txt", Text(600'000, 3));
    tree.AddFile("noise", Noise(5000, 1));
    const Compression compression{.is_each_alone = true};
    tree.WriteTo(path_, {}, 2, &compression);
    contents_ = tree.Contents();
    bytes_ = ReadFile(path_);
    const auto pack = ValueOrDie(Pack::Open(path_));
    const CodedMembers members(pack->index());
    for (uint64_t i = 0; i < members.count(); ++i) members_.push_back(ValueOrDie(members.Get(i)));
    for (ExtentNumber i = 0; i < pack->index().extent_count(); ++i)
      extents_.push_back(ValueOrDie(pack->index().GetExtent(i)));
    volume_ = ValueOrDie(pack->index().GetVolume(1));
  }

  // One lie is told, each sample in `harmed` cannot be read, and the others are as they were, or where the lie is such
  // that a search for members meets it, cannot be read either.
  template <typename Record>
  void ExpectLie(std::string_view words, Section section, uint64_t number, const Record& record,
                 const std::set<std::string>& harmed, bool may_harm_others = false) {
    ForgedPack forged(bytes_);
    forged.Replace(section, number, record);
    const auto pack = Open(forged);
    pack->OpenVolumes({});
    ExpectFault(*pack, words);
    for (const auto& [path, content] : contents_) {
      const auto read = ReadSampleAt(*pack, path);
      if (!may_harm_others || harmed.contains(path)) {
        EXPECT_EQ(read.has_value(), !harmed.contains(path)) << words << ": " << path;
      }
      if (read) {
        EXPECT_TRUE(*read == content) << words << ": " << path;
      }
    }
  }

  template <typename Field, typename Value>
  static CodedMember Like(CodedMember member, Field field, Value value) {
    member.*field = value;
    return member;
  }

  std::string bytes_;
  std::map<std::string, std::string> contents_;
  std::vector<CodedMember> members_;  // of a.txt, of b.txt, and three of large.txt
  std::vector<Extent> extents_;       // of noise, and of those
  Volume volume_;
};

TEST_F(HostileFrames, EachLieAboutAMemberIsToldAndHarmsItsSample) {
  ASSERT_EQ(members_.size(), 5U);
  const auto expect = [&](std::string_view words, const CodedMember& member) {
    ExpectLie(words, Section::kCodedMembers, 0, member, {"a.txt"});
  };
  const auto expect_impossible = [&](std::string_view words, const CodedMember& member) {
    ExpectLie(words, Section::kCodedMembers, 0, member, {"a.txt"}, /*may_harm_others=*/true);
  };
  const CodedMember& good = members_[0];
  expect("checksum mismatch", Like(good, &CodedMember::sum, good.sum ^ 1));
  // A raw length that is not that of the frame.
  expect("checksum mismatch", Like(good, &CodedMember::size_bytes, good.size_bytes - 1));
  expect("checksum mismatch", Like(good, &CodedMember::size_bytes, good.size_bytes - 500));
  expect_impossible("codec 1", Like(good, &CodedMember::codec, Codec::kDeflate));
  expect_impossible("codec 7", Like(good, &CodedMember::codec, static_cast<Codec>(7)));
  expect_impossible("that are stored as", Like(good, &CodedMember::codec, Codec::kStored));
  expect_impossible("dictionary 1, there are 1", Like(good, &CodedMember::dictionary, uint8_t{1}));
  expect_impossible("that are compressed to", Like(good, &CodedMember::size_bytes, good.stored_bytes));
  expect_impossible("in one frame", Like(good, &CodedMember::size_bytes, kFrameBytes + 1));
  expect_impossible("lie outside of volume 0", Like(good, &CodedMember::stored_offset, uint64_t{0}));
  expect_impossible("lie outside of volume 1", Like(good, &CodedMember::size_bytes, UINT64_MAX));
}

TEST_F(HostileFrames, ExtentsAndMembersDoNotCrossFrames) {
  CodedMember member = members_[2];
  member.offset += 8;
  ExpectLie("cross a frame's boundary", Section::kCodedMembers, 2, member, {"large.txt"}, /*may_harm_others=*/true);
  Extent extent = extents_[3];
  ASSERT_EQ(extent.length_bytes, kFrameBytes);
  extent.offset += 8;
  ExpectLie("cross a frame's boundary", Section::kExtents, 3, extent, {"large.txt"});
}

TEST_F(HostileFrames, AVolumeOfFramesHasXxh3) {
  Volume volume = volume_;
  volume.sum_kind = SumKind::kCrc32;
  ExpectLie("other sums than XXH3-64", Section::kVolumes, 1, volume, {"a.txt", "b.txt", "large.txt"});
  volume.sum_kind = SumKind::kNone;
  ExpectLie("has no sums", Section::kVolumes, 1, volume, {"a.txt", "b.txt", "large.txt"});
}

// A damaged byte of what is stored, wherever it lies.
TEST_F(HostileFrames, ADamagedByteHarmsItsSampleOnly) {
  const std::vector<std::string> owners = {"a.txt", "b.txt", "large.txt", "large.txt", "large.txt"};
  for (size_t i = 0; i < members_.size(); ++i) {
    for (const uint64_t at : {uint64_t{0}, members_[i].stored_bytes / 2, members_[i].stored_bytes - 1}) {
      std::string damaged = bytes_;
      damaged[members_[i].stored_offset + at] ^= 0x55;
      WriteFile(path_, damaged);
      const auto pack = ValueOrDie(Pack::Open(path_));
      pack->OpenVolumes({});
      std::vector<std::pair<uint64_t, uint64_t>> bad;
      std::vector<std::string> faults;
      WorkerPool pool(1);
      ValueOrDie(
          VerifyPack(*pack, pool,
                     {.on_fault = [&](const Fault& fault) { faults.push_back(fault.path); },
                      .on_bad_bytes = [&](uint64_t offset, uint64_t bytes) { bad.emplace_back(offset, bytes); }}));
      EXPECT_EQ(faults, std::vector{owners[i]});
      EXPECT_EQ(bad, (std::vector{std::pair(members_[i].stored_offset, members_[i].stored_bytes)}));
      for (const auto& [path, content] : contents_) {
        const auto read = ReadSampleAt(*pack, path);
        EXPECT_EQ(read.has_value(), path != owners[i]) << path;
        EXPECT_TRUE(!read || *read == content) << path;
      }
    }
  }
}

// Without the section that says that there are frames an old reader would take the pack.
TEST_F(HostileFrames, TheSectionOfDictionariesIsRequired) {
  const auto pack = ValueOrDie(Pack::Open(path_));
  for (size_t i = 0;; ++i) {
    const auto slot = AsBytes(bytes_).first(kSuperblockBytes).subspan(192 + i * 32, 32);
    ASSERT_NE(LoadUint<4>(slot, 0), 0U) << "no section 10";
    if (LoadUint<4>(slot, 0) != 10) continue;
    EXPECT_EQ(LoadUint<4>(slot, 4), 1U);
    break;
  }
}

// Many samples that all name the same long list of segments: the work is their product.
TEST_F(HostilePack, VerifyStopsSoonWhateverThePackSays) {
  constexpr uint64_t kSegments = 200'000;
  constexpr uint64_t kSamples = 20'000;
  const auto pack = Open([&](IndexTables& tables) {
    tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
    ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
    OkOrDie(tables.directories.Append({.first_child = 1, .child_count = kSamples, .node = 0}));
    const Node node{.size_bytes = kSegments * 2, .attributes = 1, .kind = NodeKind::kSegmented, .content = 0};
    for (uint64_t i = 0; i < kSamples; ++i) ValueOrDie(tables.AddNode(node, fmt::format("{:06}", i)));
    for (uint64_t i = 0; i < kSegments; ++i)
      OkOrDie(tables.segments.Append({.file_offset = i * 2, .length_bytes = 1, .following = kSegments - 1 - i}));
    OkOrDie(tables.extents.Append({.offset = kDataBegin, .length_bytes = 1, .node = 1}));
  });
  std::atomic<bool> interrupted = false;
  std::chrono::steady_clock::time_point stopped_at;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stopped_at = std::chrono::steady_clock::now();
    interrupted = true;
  });
  WorkerPool pool(2);
  const auto summary = VerifyPack(*pack, pool, {.on_fault = [](const Fault&) {}, .interrupted = &interrupted});
  stopper.join();
  ASSERT_FALSE(summary.has_value()) << "it ended by itself: the test is too small";
  EXPECT_EQ(summary.error().code, ErrorCode::kInterrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - stopped_at, std::chrono::seconds(1));
}

// A small index names few bytes often: of those that were named already none is read again.
TEST_F(HostilePack, VerifyReadsNoMoreThanThePackHas) {
  constexpr uint64_t kExtents = 2000;
  const std::string sample_bytes(2 * kPageBytes, '\0');
  IndexTables tables(folder_.path());
  tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
  ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
  OkOrDie(tables.directories.Append({.first_child = 1, .child_count = kExtents, .node = 0}));
  const uint32_t length_bytes = kPageBytes / 2;
  for (uint64_t i = 0; i < kExtents; ++i) {
    const Node node{.size_bytes = length_bytes, .attributes = 1, .kind = NodeKind::kFile, .content = i};
    const NodeNumber number = ValueOrDie(tables.AddNode(node, fmt::format("{:06}", i)));
    // By turns in one page and in the other, so that each is a read of its own.
    OkOrDie(tables.extents.Append(
        {.offset = kDataBegin + i % 2 * kPageBytes, .length_bytes = length_bytes, .node = number}));
  }
  WriteTables(tables, sample_bytes, path_);
  const auto pack = ValueOrDie(Pack::Open(path_));
  std::atomic<uint64_t> read_bytes = 0;
  WorkerPool pool(2);
  const auto read = [&](uint16_t volume, uint64_t offset, size_t bytes, const UseBytes& use) -> Result<void> {
    read_bytes += bytes;
    std::vector<std::byte> buffer(bytes);
    if (auto done = pack->ReadRaw(volume, offset, buffer); !done) return done;
    use(buffer);
    return {};
  };
  const auto summary = ValueOrDie(VerifyPack(*pack, pool, {.on_fault = [](const Fault&) {}, .read = read}));
  EXPECT_GE(summary.faults, kExtents - 2) << "overlaps are told";
  EXPECT_LE(read_bytes, pack->superblock().pack_bytes);
}

// What a search reads of an index of which everything behind the first block of `damaged` is damaged.
uint64_t BlocksReadBy(const Pack& pack, const SectionRange& damaged, const std::function<void(const Index&)>& search) {
  const uint64_t index_at = pack.superblock().index_offset;
  const uint64_t begin = index_at + damaged.offset + kBlockBytes;
  std::atomic<uint64_t> read_bytes = 0;
  const auto index =
      ValueOrDie(Index::Open(pack.superblock(), [&](uint64_t offset, std::span<std::byte> into) -> Result<void> {
        read_bytes += into.size();
        if (auto done = pack.ReadRaw(0, offset, into); !done) return done;
        for (uint64_t i = 0; i < into.size(); ++i)
          if (offset + i >= begin && offset + i < index_at + damaged.offset + damaged.bytes) into[i] ^= std::byte{1};
        return {};
      }));
  search(*index);
  return read_bytes / kBlockBytes;
}

// Of damaged blocks 64, each twice, and about as many that are read along, or are those of nodes.
constexpr uint64_t kMostBlocksRead = 200 + 64;

// A file with holes is an index of any size of which all but a few blocks are damaged: no search may read it all.
TEST_F(HostilePack, ASearchForADirectoryGoesAroundSoManyDamagedBlocksOnly) {
  const auto pack = Open([](IndexTables& tables) { FillWithChain(tables, 1'000'000, 1); });
  const SectionRange& directories = pack->superblock().section(Section::kDirectories);
  ASSERT_GT(directories.bytes / kBlockBytes, 360U);
  const uint64_t blocks = BlocksReadBy(*pack, directories, [](const Index& index) {
    EXPECT_FALSE(index.GetParent(index.node_count() - 1).has_value());
  });
  EXPECT_LT(blocks, kMostBlocksRead);
}

TEST_F(HostilePack, ALookUpGoesAroundSoManyDamagedBlocksOnly) {
  constexpr uint64_t kNames = 60'000;
  const auto pack = Open([](IndexTables& tables) {
    tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
    ValueOrDie(tables.AddNode({.size_bytes = 4096, .attributes = 0, .kind = NodeKind::kDirectory}, ""));
    OkOrDie(tables.directories.Append({.first_child = 1, .child_count = kNames, .node = 0}));
    for (uint64_t i = 0; i < kNames; ++i)
      ValueOrDie(tables.AddNode({.attributes = 1, .kind = NodeKind::kFile}, fmt::format("{:0255}", i)));
  });
  const SectionRange& names = pack->superblock().section(Section::kNames);
  ASSERT_GT(names.bytes / kBlockBytes, 230U);
  const uint64_t blocks = BlocksReadBy(*pack, names, [](const Index& index) {
    EXPECT_FALSE(index.Lookup(ValueOrDie(index.GetDirectory(0)), "1").has_value());
  });
  EXPECT_LT(blocks, kMostBlocksRead);
}

}  // namespace
}  // namespace quire
