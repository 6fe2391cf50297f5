// SPDX-License-Identifier: Apache-2.0
#include "tests/support/forged_pack.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/block_tree.h"
#include "format/rounding.h"
#include "format/write/index_writer.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

std::span<std::byte> BytesOf(std::string& text) { return std::as_writable_bytes(std::span(text)); }

Node DirectoryNode(uint64_t directory) {
  return {.size_bytes = kDirectorySizeBytes, .attributes = 0, .kind = NodeKind::kDirectory, .content = directory};
}

NodeNumber AddNodeOrDie(IndexTables& tables, const Node& node, std::string_view name) {
  return ValueOrDie(tables.AddNode(node, name));
}

}  // namespace

ForgedPack::ForgedPack(std::string bytes)
    : superblock(ValueOrDie(ChooseSuperblock(AsBytes(bytes).first(2 * kSuperblockBytes))).superblock),
      bytes_(std::move(bytes)) {}

std::span<std::byte> ForgedPack::body() {
  return BytesOf(bytes_).subspan(superblock.index_offset, superblock.body_bytes);
}

std::span<std::byte> ForgedPack::record(Section section, uint64_t number) {
  const uint64_t bytes = kRecordBytes[static_cast<size_t>(section)];
  return body().subspan(superblock.section(section).offset + number * bytes, bytes);
}

std::string ForgedPack::Bytes() {
  const auto all = BytesOf(bytes_);
  superblock.root_sum = RepairSumTree(all.subspan(superblock.index_offset), superblock.body_bytes);
  EncodeSuperblock(superblock, all.subspan(SuperblockOffset(superblock.generation)).first<kSuperblockBytes>());
  return bytes_;
}

uint64_t RepairSumTree(std::span<std::byte> index, uint64_t body_bytes) {
  const BlockTreeGeometry geometry(body_bytes);
  std::span<const std::byte> below = index.first(body_bytes);
  for (size_t level = 1; level < geometry.levels.size(); ++level) {
    const auto sums = index.subspan(geometry.levels[level].offset, geometry.levels[level].bytes);
    for (uint64_t block = 0; block * kBlockBytes < below.size(); ++block) {
      const auto rest = below.subspan(block * kBlockBytes);
      StoreUint<8>(sums, block * 8, Xxh3(rest.first(std::min<uint64_t>(rest.size(), kBlockBytes))));
    }
    below = sums;
  }
  return Xxh3(below);
}

void WriteTables(IndexTables& tables, const std::string& sample_bytes, const std::string& path) {
  WriteFile(path, "");
  const File file = ValueOrDie(File::Open(path, O_RDWR));
  OkOrDie(file.WriteAll(kDataBegin, AsBytes(sample_bytes)));
  const uint64_t end = kDataBegin + sample_bytes.size();
  tables.volumes.insert(tables.volumes.begin(),
                        {.data_begin = tables.dictionaries.empty() ? kDataBegin : end, .data_end = end});
  Superblock superblock;
  superblock.generation = 1;
  superblock.index_offset = AlignUp(kDataBegin + sample_bytes.size(), kIndexAlign);
  OkOrDie(WriteIndex(tables, file, superblock));
  OkOrDie(CommitGeneration(file, superblock));
}

void FillWithFrames(IndexTables& tables) {
  tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
  AddNodeOrDie(tables, DirectoryNode(0), "");
  OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 3, .node = 0}));
  AddNodeOrDie(tables, {.size_bytes = 500, .attributes = 1, .kind = NodeKind::kFile, .content = 2}, "a");
  AddNodeOrDie(tables, {.size_bytes = 3000, .attributes = 1, .kind = NodeKind::kFile, .content = 3}, "b");
  AddNodeOrDie(tables, {.size_bytes = kFrameBytes + 1000, .attributes = 1, .kind = NodeKind::kSegmented, .content = 0},
               "large");
  OkOrDie(tables.segments.Append({.length_bytes = kFrameBytes + 1000, .first_extent = 0}));
  struct Place {
    uint64_t offset;
    uint32_t bytes;
    uint32_t stored_bytes;
    NodeNumber node;
  };
  uint64_t stored_offset = kDataBegin;
  for (const Place& place : {Place{0, kFrameBytes, kFrameBytes, 3}, Place{kFrameBytes, 1000, 1000, 3},
                             Place{kFrameBytes + 1000, 500, 500, 1}, Place{kFrameBytes + 1504, 3000, 100, 2}}) {
    const std::string raw(place.bytes, '\0');
    const std::string stored(place.stored_bytes, '\0');
    OkOrDie(tables.extents.Append({.offset = place.offset,
                                   .volume = 1,
                                   .length_bytes = place.bytes,
                                   .node = place.node,
                                   .sum = Xxh3(AsBytes(raw))}));
    const bool is_coded = place.bytes != place.stored_bytes;
    OkOrDie(tables.coded_members.Append({.offset = place.offset,
                                         .volume = 1,
                                         .codec = is_coded ? Codec::kZstd : Codec::kStored,
                                         .dictionary = static_cast<uint8_t>(is_coded ? 1 : 0),
                                         .size_bytes = place.bytes,
                                         .stored_offset = stored_offset,
                                         .stored_bytes = place.stored_bytes,
                                         .sum = Xxh3(AsBytes(stored))}));
    stored_offset += place.stored_bytes;
  }
  tables.volumes = {
      {.kind = VolumeKind::kDecoded, .base = 0, .frame_bytes = kFrameBytes, .data_end = kFrameBytes + 1504 + 3000}};
  const std::string_view dictionary = "words that samples have in common";
  tables.dictionaries = {{}, {.bytes = static_cast<uint32_t>(dictionary.size()), .sum = Xxh3(AsBytes(dictionary))}};
  tables.dictionary_bytes.assign(AsBytes(dictionary).begin(), AsBytes(dictionary).end());
}

void FillWithSharedChildren(IndexTables& tables, uint64_t levels, bool with_spacers) {
  tables.attributes = {{.mode = 0755, .nlink = 4}, {.mode = 0644, .nlink = 1}};
  // Where the record of each node will stand: the root's first, then those of a level, with a spacer between.
  const uint64_t records_a_level = with_spacers ? 3 : 2;
  const auto record_of = [&](uint64_t level, uint64_t i) {
    return 1 + level * records_a_level + i * (records_a_level - 1);
  };
  AddNodeOrDie(tables, DirectoryNode(0), "");
  for (uint64_t level = 0; level < levels; ++level)
    for (uint64_t i = 0; i < 2; ++i) AddNodeOrDie(tables, DirectoryNode(record_of(level, i)), i == 0 ? "a" : "b");
  for (const char* name : {"a", "b"}) AddNodeOrDie(tables, {.attributes = 1, .kind = NodeKind::kFile}, name);
  // In no directory: a pack has as many nodes as records.
  for (uint64_t level = 0; with_spacers && level < levels; ++level) AddNodeOrDie(tables, DirectoryNode(0), "c");

  OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 2, .node = 0}));
  for (uint64_t level = 0; level < levels; ++level) {
    const NodeNumber own = 1 + level * 2;
    const Directory first{.first_child = own + 2, .child_count = 2, .node = own};
    OkOrDie(tables.directories.Append(first));
    if (with_spacers) OkOrDie(tables.directories.Append({.first_child = own, .child_count = 2, .node = own}));
    OkOrDie(tables.directories.Append({.first_child = own + 2, .child_count = 2, .node = own + 1}));
  }
}

void FillWithVolume(IndexTables& tables, uint16_t kind, std::string_view location) {
  constexpr uint32_t kBytes = 16;
  tables.attributes = {{.mode = 0755, .nlink = 2}, {.mode = 0644, .nlink = 1}};
  tables.volumes = {{.kind = static_cast<VolumeKind>(kind),
                     .sum_kind = SumKind::kNone,
                     .location_bytes = static_cast<uint32_t>(location.size()),
                     .location_offset = ValueOrDie(tables.AddText(location)),
                     .data_end = kBytes}};
  AddNodeOrDie(tables, DirectoryNode(0), "");
  AddNodeOrDie(tables, {.size_bytes = kBytes, .attributes = 1, .kind = NodeKind::kFile}, "elsewhere");
  OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 1, .node = 0}));
  OkOrDie(tables.extents.Append({.volume = 1, .length_bytes = kBytes, .node = 1}));
}

void FillWithChain(IndexTables& tables, uint64_t levels, size_t name_bytes) {
  tables.attributes = {{.mode = 0755, .nlink = 3}, {.mode = 0644, .nlink = 1}, {.mode = 0755, .nlink = 2}};
  const std::string name(name_bytes, 'd');
  AddNodeOrDie(tables, DirectoryNode(0), "");
  for (uint64_t level = 1; level < levels; ++level) AddNodeOrDie(tables, DirectoryNode(level), name);
  tables.nodes[levels - 1].attributes = 2;
  AddNodeOrDie(tables, {.attributes = 1, .kind = NodeKind::kFile}, "f");
  for (NodeNumber node = 0; node < levels; ++node)
    OkOrDie(tables.directories.Append({.first_child = node + 1, .child_count = 1, .node = node}));
}

}  // namespace quire
