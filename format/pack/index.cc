// SPDX-License-Identifier: Apache-2.0
#include "format/pack/index.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/entry_path.h"
#include "format/pack/inflate.h"
#include "format/pack/zstd_frame.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr std::string_view kXattrPrefix = "user.";
// Damaged blocks that one search goes around. A search meets one or two where a disk has lost a few; a hostile pack,
// which may be a file with holes, can have millions, and each costs a read of 64 KiB: 64 of them are some milliseconds.
constexpr size_t kMaxBadBlocks = 64;

// The smallest i in [0, count) for which `is_behind(i)` is true, else count; REQUIRES: monotone. Errors end the search.
template <typename Predicate>
Result<uint64_t> PartitionPoint(uint64_t count, Predicate is_behind) {
  uint64_t low = 0;
  uint64_t high = count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const Result<bool> behind = is_behind(middle);
    if (!behind) return std::unexpected(behind.error());
    (*behind ? high : low) = *behind ? middle : middle + 1;
  }
  return low;
}

// The same in [low, high), and damage does not end it: a record for which `is_behind` fails gives way to the next one
// that `behind_block` finds. Where the records are damaged among which the point is, it is the first of those.
template <typename Predicate, typename BehindBlock>
uint64_t PartitionPointAroundDamage(uint64_t low, uint64_t high, Predicate is_behind, BehindBlock behind_block) {
  size_t bad_blocks = 0;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    uint64_t probe = middle;
    Result<bool> behind = is_behind(probe);
    while (!behind && ++bad_blocks < kMaxBadBlocks && (probe = behind_block(probe)) < high) behind = is_behind(probe);
    if (behind && !*behind)
      low = probe + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace

std::optional<std::string_view> FaultOfName(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kMaxNameBytes) return "is longer than 255 bytes";
  if (name == "." || name == "..") return "is '.' or '..'";
  if (name.find('/') != name.npos) return "holds a '/'";
  if (name.find('\0') != name.npos) return "holds a NUL";
  return std::nullopt;
}

Result<std::unique_ptr<Index>> Index::Open(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                           const BlockTree::FarReads& far) {
  return OpenBeside(superblock, read_at, far, nullptr);
}

Result<std::unique_ptr<Index>> Index::OpenBeside(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                                 const BlockTree::FarReads& far, const IndexLayers* others) {
  auto layers = IndexLayers::Open(superblock, read_at, far, others);
  if (!layers) return Propagate(std::move(layers));
  return std::unique_ptr<Index>(new Index(read_at, far, *std::move(layers)));
}

Index::Index(BlockTree::ReadAt read_at, BlockTree::FarReads far, std::unique_ptr<IndexLayers> layers)
    : read_at_(std::move(read_at)),
      far_(std::move(far)),
      views_{std::make_shared<View>(std::move(layers))},
      view_(views_.front().get()) {}

Result<std::unique_ptr<Index>> Index::OpenLater(const Superblock& later) const {
  auto opened = OpenBeside(later, read_at_, far_, &layers());
  if (opened && !(*opened)->layers().Extends(layers()))
    return Invalid("generation {} does not go on from generation {}", later.generation, superblock().generation);
  return opened;
}

void Index::Swap(Index& other) {
  const std::shared_ptr<const View> own = views_.back();
  views_.push_back(other.views_.back());
  other.views_.push_back(own);
  view_.store(views_.back().get(), std::memory_order_release);
  other.view_.store(own.get(), std::memory_order_release);
}

Result<Node> Index::GetNodeOf(size_t layers, NodeNumber number) const {
  const auto record = GetRecord(Section::kNodes, number, "node");
  if (!record) return std::unexpected(record.error());
  Node node = DecodeNode(*record);
  const auto replaced = this->layers().FindReplaced(number, layers);
  if (!replaced) return std::unexpected(replaced.error());
  if (*replaced) {
    const Node& newer = **replaced;
    if (newer.kind != node.kind || newer.name_offset != node.name_offset || newer.name_bytes != node.name_bytes)
      return Corrupt("node {}: replaced by another entry", number);
    node = newer;
  }
  if ((node.name_bytes == 0) != (number == 0)) return Corrupt("node {}: name of {} bytes", number, node.name_bytes);
  if (node.size_bytes > kMaxSampleBytes) return Corrupt("node {}: size {}", number, node.size_bytes);
  if (node.kind != NodeKind::kHardLink && node.attributes >= this->layers().count(Section::kAttributes))
    return Corrupt("node {}: attributes {}", number, node.attributes);
  switch (node.kind) {
    case NodeKind::kFile:
      if (node.size_bytes > kPageBytes) return Corrupt("node {}: {} bytes in one extent", number, node.size_bytes);
      if (node.size_bytes > 0 && node.content >= extent_count())
        return Corrupt("node {}: extent {}", number, node.content);
      return node;
    case NodeKind::kSegmented:
      if (node.content != kMaxRecords && node.content >= segment_count())
        return Corrupt("node {}: segment {}", number, node.content);
      return node;
    case NodeKind::kDirectory: {
      const auto directory = GetDirectory(node.content);
      if (!directory) return std::unexpected(directory.error());
      if (directory->node != number)
        return Corrupt("node {}: directory {} belongs to node {}", number, node.content, directory->node);
      return node;
    }
    case NodeKind::kSymlink:
      if (node.size_bytes == 0 || node.size_bytes > kMaxTargetBytes)
        return Corrupt("node {}: symlink target of {} bytes", number, node.size_bytes);
      return node;
    case NodeKind::kHardLink:
      if (node.content >= number) return Corrupt("node {}: hard link to a later node {}", number, node.content);
      return node;
    case NodeKind::kReference:
      return Corrupt("node {}: it stands for node {}, where a node of its own is wanted", number, node.content);
  }
  return Unsupported("node {}: kind {}; use a newer quire", number, static_cast<unsigned>(node.kind));
}

Result<Directory> Index::DecodeDirectoryAt(uint64_t number) const {
  const auto record = GetRecord(Section::kDirectories, number, "directory");
  if (!record) return std::unexpected(record.error());
  return DecodeDirectory(*record);
}

Result<Directory> Index::GetDirectory(uint64_t number) const {
  auto directory = DecodeDirectoryAt(number);
  LazyBits& checked = view_.load(std::memory_order_acquire)->checked_directories;
  if (!directory || checked.Test(number)) return directory;
  // Children behind their parent: no hostile pack can make a cycle.
  if (directory->first_child <= directory->node || directory->first_child > node_count() ||
      directory->child_count > node_count() - directory->first_child)
    return Corrupt("directory {}: children {} + {} of node {}", number, directory->first_child, directory->child_count,
                   directory->node);
  if (auto tree = CheckIsTree(number, *directory); !tree) return Propagate(std::move(tree));
  checked.Set(number);
  return directory;
}

// The rule of FORMAT.md. That a record begins where its neighbour ends would not do: the neighbour may lie itself.
Result<void> Index::CheckIsTree(uint64_t number, const Directory& directory) const {
  NodeNumber expected = 1;
  if (number > 0) {
    const auto before = DecodeDirectoryAt(number - 1);
    if (!before) return std::unexpected(before.error());
    expected = before->first_child + before->child_count;
  }
  if (directory.first_child != expected)
    return Corrupt("directory {}: children from {} instead of {}", number, directory.first_child, expected);
  if (directory.child_count == 0) return {};
  ExpectSearchFor(number);
  for (const NodeNumber child : {directory.first_child, directory.first_child + directory.child_count - 1}) {
    const auto holder = FindHolder(child);
    if (!holder) return std::unexpected(holder.error());
    if (*holder != number)
      return Corrupt("directory {}: node {} is a child of directory {} as well", number, child, *holder);
  }
  return {};
}

void Index::ExpectSearchFor(uint64_t number) const {
  uint64_t low = 0;
  uint64_t high = directory_count();
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    layers().Expect(Section::kDirectories, middle);
    (middle <= number ? low : high) = middle <= number ? middle + 1 : middle;
  }
}

// A binary search that damage cannot mislead, as that of Lookup: a record that cannot be read gives way to the nearest
// one that can.
Result<uint64_t> Index::FindHolder(NodeNumber number) const {
  // The nearest record that does not touch the first, or the last, block of a record that is damaged.
  const auto behind_block = [&](uint64_t record) { return layers().BehindBlock(Section::kDirectories, record); };
  const auto before_block = [&](uint64_t record) { return layers().BeforeBlock(Section::kDirectories, record); };
  size_t bad_blocks = 0;
  const auto decode = [&](uint64_t record) {
    auto decoded = DecodeDirectoryAt(record);
    if (!decoded) ++bad_blocks;
    return decoded;
  };
  uint64_t low = 0;
  uint64_t high = directory_count();  // the last record with first child <= number stands in [low, high), or before low
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    uint64_t probe = middle;
    auto record = decode(probe);
    const auto unreadable = record;
    while (!record && bad_blocks < kMaxBadBlocks && (probe = behind_block(probe)) < high) record = decode(probe);
    if (record && record->first_child <= number) {
      low = probe + 1;
      continue;
    }
    high = middle;
    if (unreadable) continue;
    // It stands before the gap, or in it.
    std::optional<uint64_t> before = middle;
    record = unreadable;
    while (!record && bad_blocks < kMaxBadBlocks && (before = before_block(*before)) && *before >= low)
      record = decode(*before);
    if (!record) return std::unexpected(unreadable.error());
    if (record->first_child > number) {
      high = *before;
      continue;
    }
    if (number - record->first_child >= record->child_count) return std::unexpected(unreadable.error());
    return *before;
  }
  if (low == 0) return Corrupt("node {}: no directory holds it", number);
  return low - 1;
}

Result<Attributes> Index::GetAttributes(uint32_t number) const {
  const auto record = GetRecord(Section::kAttributes, number, "attributes");
  if (!record) return std::unexpected(record.error());
  const Attributes attributes = DecodeAttributes(*record);
  if (attributes.mode > 07777) return Corrupt("attributes {}: mode {:o}", number, attributes.mode);
  if (attributes.xattr_bytes > kMaxXattrListBytes)
    return Corrupt("attributes {}: extended attributes of {} bytes", number, attributes.xattr_bytes);
  return attributes;
}

Result<Volume> Index::GetVolume(uint16_t number) const {
  const auto record = GetRecord(Section::kVolumes, number, "volume");
  if (!record) return std::unexpected(record.error());
  const Volume volume = DecodeVolume(*record);
  if (volume.data_begin > volume.data_end || volume.data_end > kMaxVolumeBytes)
    return Corrupt("volume {}: bytes {} to {}", number, volume.data_begin, volume.data_end);
  const bool begins_well =
      volume.data_begin == kDataBegin || (has_frames() && volume.data_begin > kDataBegin);  // behind coded bytes
  if (number == 0 &&
      (volume.kind != VolumeKind::kThisPack || !begins_well || volume.data_end > superblock().index_offset))
    return Corrupt("volume 0: kind {}, bytes {} to {}: not this pack", static_cast<unsigned>(volume.kind),
                   volume.data_begin, volume.data_end);
  if (number == 0 && volume.sum_kind != SumKind::kXxh3)
    return Unsupported("volume 0: sums of kind {}; use a newer quire", static_cast<unsigned>(volume.sum_kind));
  if (volume.kind == VolumeKind::kDecoded && volume.base >= number)
    return Corrupt("volume {}: decoded from volume {}, which does not stand before it", number, volume.base);
  if (volume.is_framed() && volume.frame_bytes != kFrameBytes)
    return Unsupported("volume {}: frames of {} bytes; use a newer quire", number, volume.frame_bytes);
  if (volume.is_framed() && !has_frames())
    return Corrupt("volume {}: compressed samples, and no section of dictionaries", number);
  if (volume.kind == VolumeKind::kDecoded && volume.base == 0 && !volume.is_framed())
    return Corrupt("volume {}: decoded from the pack itself, and without frames", number);
  return volume;
}

Result<CodedMember> Index::DecodeCodedMemberAt(uint64_t number) const {
  const auto record = GetRecord(Section::kCodedMembers, number, "coded member");
  if (!record) return std::unexpected(record.error());
  return DecodeCodedMember(*record);
}

Result<CodedMember> Index::GetCodedMember(uint64_t number) const {
  auto member = DecodeCodedMemberAt(number);
  if (!member) return member;
  const auto volume = GetVolume(member->volume);
  if (!volume) return std::unexpected(volume.error());
  auto base = GetVolume(volume->base);
  if (!base) return std::unexpected(base.error());
  // Coded bytes of a pack lie in front of the pages of their generation, or of its index. Where a pack that is merged
  // ends is told by none of the volumes.
  if (volume->is_framed()) {
    base->data_end = volume->base == 0 ? superblock().index_offset : kMaxVolumeBytes;
    base->data_begin = kDataBegin;
  }
  const auto lies_in = [](const Volume& in, uint64_t offset, uint64_t bytes) {
    return bytes > 0 && offset >= in.data_begin && offset <= in.data_end && bytes <= in.data_end - offset;
  };
  if (volume->kind != VolumeKind::kDecoded || !lies_in(*volume, member->offset, member->size_bytes))
    return Corrupt("coded member {}: {} bytes at {} lie outside of volume {}", number, member->size_bytes,
                   member->offset, member->volume);
  if (!lies_in(*base, member->stored_offset, member->stored_bytes))
    return Corrupt("coded member {}: {} bytes at {} lie outside of volume {}", number, member->stored_bytes,
                   member->stored_offset, volume->base);
  if (auto allowed = CheckCodec(number, *member, volume->is_framed()); !allowed) return Propagate(std::move(allowed));
  const uint64_t most_bytes = volume->is_framed() ? kFrameBytes : kPageBytes;
  const bool has_own_pages = member->size_bytes > most_bytes;  // of frames none: CheckCodec
  if (has_own_pages ? member->offset % most_bytes != 0 : member->offset % most_bytes + member->size_bytes > most_bytes)
    return Corrupt("coded member {}: {} bytes at {} cross a {} boundary", number, member->size_bytes, member->offset,
                   volume->is_framed() ? "frame's" : "page");
  if (number == 0) return member;
  const auto before = DecodeCodedMemberAt(number - 1);
  if (!before) return before;
  if (before->volume > member->volume ||
      (before->volume == member->volume && (before->offset + before->size_bytes > member->offset ||
                                            before->stored_offset + before->stored_bytes > member->stored_offset)))
    return Corrupt("coded member {}: it begins before the one before it ends", number);
  return member;
}

Result<void> Index::CheckCodec(uint64_t number, const CodedMember& member, bool is_framed) const {
  const bool is_known = is_framed ? member.codec == Codec::kStored || member.codec == Codec::kZstd
                                  : member.codec == Codec::kDeflate && member.dictionary == 0;
  if (!is_known)
    return Unsupported("coded member {}: codec {}, dictionary {}; use a newer quire", number,
                       static_cast<unsigned>(member.codec), member.dictionary);
  if (const auto fault = is_framed ? FaultOfFrame(member) : FaultOfDeflated(member.size_bytes, member.stored_bytes))
    return Corrupt("coded member {}: {}", number, *fault);
  if (member.dictionary >= std::max<uint64_t>(dictionary_count(), 1))
    return Corrupt("coded member {}: dictionary {}, there are {}", number, member.dictionary, dictionary_count());
  return {};
}

Result<std::span<const std::byte>> Index::GetDictionary(uint64_t number) const {
  assert(number > 0);
  const auto record = GetRecord(Section::kDictionaries, number, "dictionary");
  if (!record) return record;
  const Dictionary dictionary = DecodeDictionary(*record);
  if (dictionary.bytes == 0 || dictionary.bytes > kMaxDictionaryBytes)
    return Corrupt("dictionary {}: {} bytes", number, dictionary.bytes);
  auto bytes = GetHeap(Section::kDictionaryBytes, dictionary.offset, dictionary.bytes, "dictionary");
  if (bytes && Xxh3(*bytes) != dictionary.sum) return Corrupt("dictionary {}: checksum mismatch", number);
  return bytes;
}

// By the first block that the record lies in: where that is whole, the next one that is tried lies in the damaged one.
uint64_t Index::BehindBlockOfMember(uint64_t number) const {
  constexpr uint64_t kBytes = kRecordBytes[static_cast<size_t>(Section::kCodedMembers)];
  const IndexLayer& layer = layers().Find(Section::kCodedMembers, number);
  const uint64_t section = layer.superblock.section(Section::kCodedMembers).offset;
  const uint64_t end = (layer.OffsetOf(Section::kCodedMembers, number) / kBlockBytes + 1) * kBlockBytes;
  const uint64_t first = layer.first[static_cast<size_t>(Section::kCodedMembers)];
  return std::min(first + CeilDiv(end - section, kBytes), layer.end(Section::kCodedMembers));
}

uint64_t Index::PassBadMember(uint64_t number) const {
  return DecodeCodedMemberAt(number) ? number + 1 : BehindBlockOfMember(number);
}

uint64_t Index::FindMemberAround(uint64_t first, uint64_t end, uint64_t offset) const {
  return PartitionPointAroundDamage(
      first, end,
      [&](uint64_t number) -> Result<bool> {
        const auto member = DecodeCodedMemberAt(number);
        if (!member) return std::unexpected(member.error());
        return member->offset + member->size_bytes > offset;
      },
      [this](uint64_t number) { return BehindBlockOfMember(number); });
}

std::pair<uint64_t, uint64_t> Index::FindCodedMembersAround(uint16_t volume) const {
  const auto find = [&](unsigned least) {
    return PartitionPointAroundDamage(
        0, coded_member_count(),
        [&](uint64_t number) -> Result<bool> {
          const auto member = DecodeCodedMemberAt(number);
          if (!member) return std::unexpected(member.error());
          return member->volume >= least;
        },
        [this](uint64_t number) { return BehindBlockOfMember(number); });
  };
  const uint64_t first = find(volume);
  return {first, std::max(first, find(volume + 1U))};
}

Result<std::pair<uint64_t, uint64_t>> Index::FindCodedMembers(uint16_t volume) const {
  const auto find = [&](unsigned least) {
    return PartitionPoint(coded_member_count(), [&](uint64_t number) -> Result<bool> {
      const auto member = DecodeCodedMemberAt(number);
      if (!member) return std::unexpected(member.error());
      return member->volume >= least;
    });
  };
  const auto first = find(volume);
  if (!first) return std::unexpected(first.error());
  const auto end = find(volume + 1U);
  if (!end) return std::unexpected(end.error());
  return std::pair(*first, *end);
}

Result<Extent> Index::GetExtent(ExtentNumber number) const {
  const auto record = GetRecord(Section::kExtents, number, "extent");
  if (!record) return std::unexpected(record.error());
  const Extent extent = DecodeExtent(*record);
  const auto volume = GetVolume(extent.volume);
  if (!volume) return std::unexpected(volume.error());
  if (extent.length_bytes == 0 || extent.length_bytes > kPageBytes || extent.offset < volume->data_begin ||
      extent.offset > volume->data_end || extent.length_bytes > volume->data_end - extent.offset)
    return Corrupt("extent {}: {} bytes at {} lie outside of volume {}", number, extent.length_bytes, extent.offset,
                   extent.volume);
  const uint64_t most_bytes = volume->is_framed() ? kFrameBytes : kPageBytes;
  if (extent.offset % most_bytes + extent.length_bytes > most_bytes)
    return Corrupt("extent {}: {} bytes at {} cross a {} boundary", number, extent.length_bytes, extent.offset,
                   volume->is_framed() ? "frame's" : "page");
  if (extent.node >= node_count())
    return Corrupt("extent {}: of node {}, there are {}", number, extent.node, node_count());
  return extent;
}

Result<std::string_view> Index::GetLocation(const Volume& volume) const {
  if (volume.location_bytes > kMaxPathBytes) return Corrupt("location of {} bytes", volume.location_bytes);
  const auto bytes = GetHeap(Section::kNames, volume.location_offset, volume.location_bytes, "location");
  if (!bytes) return std::unexpected(bytes.error());
  const std::string_view location = AsText(*bytes);
  if (location.find('\0') != location.npos) return Corrupt("location at {}: holds a NUL", volume.location_offset);
  return location;
}

Result<ExtentNumber> Index::FindExtentFrom(uint16_t volume, uint64_t offset) const {
  std::optional<ExtentNumber> of_later_volume;
  for (size_t i = 0; i < layers().size(); ++i) {
    const IndexLayer& layer = layers()[i];
    const auto found = FindExtentInLayer(layer, volume, offset);
    if (!found) return found;
    if (*found == layer.end(Section::kExtents)) continue;
    if (layers().size() == 1) return found;
    const auto extent = GetExtent(*found);
    if (!extent) return std::unexpected(extent.error());
    if (extent->volume == volume) return found;
    if (!of_later_volume) of_later_volume = *found;
  }
  return of_later_volume.value_or(extent_count());
}

Result<ExtentNumber> Index::FindExtentInLayer(const IndexLayer& layer, uint16_t volume, uint64_t offset) const {
  const uint64_t first = layer.first[static_cast<size_t>(Section::kExtents)];
  auto found = PartitionPoint(layer.end(Section::kExtents) - first, [&](uint64_t i) -> Result<bool> {
    const auto extent = GetExtent(first + i);
    if (!extent) return std::unexpected(extent.error());
    return std::pair(extent->volume, extent->offset) >= std::pair(volume, offset);
  });
  if (found) *found += first;
  return found;
}

Result<std::string_view> Index::GetName(const Node& node) const {
  const auto bytes = GetHeap(Section::kNames, node.name_offset, node.name_bytes, "name");
  if (!bytes) return std::unexpected(bytes.error());
  const std::string_view name = AsText(*bytes);
  if (!name.empty())
    if (const auto fault = FaultOfName(name)) return Corrupt("name at {}: {}", node.name_offset, *fault);
  return name;
}

Result<std::string_view> Index::GetTarget(const Node& node) const {
  assert(node.kind == NodeKind::kSymlink);
  const auto bytes = GetHeap(Section::kNames, node.content, node.size_bytes, "symlink target");
  if (!bytes) return std::unexpected(bytes.error());
  const std::string_view target = AsText(*bytes);
  if (target.find('\0') != target.npos) return Corrupt("symlink target at {}: holds a NUL", node.content);
  return target;
}

Result<NodeNumber> Index::Resolve(NodeNumber number) const {
  const auto node = GetNode(number);
  if (!node) return std::unexpected(node.error());
  if (node->kind != NodeKind::kHardLink) return number;
  const auto target = GetLinkedNode(number, *node);
  if (!target) return std::unexpected(target.error());
  return node->content;
}

Result<Node> Index::GetLinkedNode(NodeNumber number, const Node& link) const {
  assert(link.kind == NodeKind::kHardLink);
  auto target = GetNode(link.content);
  if (!target) return target;
  if (!target->is_sample() && target->kind != NodeKind::kSymlink)
    return Corrupt("node {}: hard link to node {} of kind {}", number, link.content,
                   static_cast<unsigned>(target->kind));
  return target;
}

// A binary search that damage cannot mislead: a probe that cannot be read gives way to its nearest readable neighbours,
// and only a name that would stand between those is an error.
Result<std::optional<uint64_t>> Index::FindPlace(const Directory& directory, std::string_view name) const {
  // Met by this search: each is tried once, not once for every name in it.
  std::vector<std::pair<const IndexLayer*, uint64_t>> bad_blocks;
  const auto touch = [&](Section section, uint64_t number, uint64_t bytes) -> Result<void> {
    const IndexLayer& layer = layers().Find(section, number);
    const uint64_t offset = layer.OffsetOf(section, number);
    const std::pair block(&layer, offset / kBlockBytes);
    if (std::ranges::find(bad_blocks, block) != bad_blocks.end())
      return Corrupt("index block {}: damaged", block.second);
    const auto touched = layer.blocks->Touch(offset, bytes);
    if (touched) return {};
    if ((offset + bytes - 1) / kBlockBytes == block.second) bad_blocks.push_back(block);
    return std::unexpected(touched.error());
  };
  const auto name_of = [&](uint64_t child) -> Result<std::string_view> {
    const NodeNumber place = directory.first_child + child;
    if (auto touched = touch(Section::kNodes, place, kRecordBytes[static_cast<size_t>(Section::kNodes)]); !touched)
      return std::unexpected(touched.error());
    const auto record = GetRecord(Section::kNodes, place, "node");
    if (!record) return std::unexpected(record.error());
    const Node node = DecodeNode(*record);
    if (node.name_bytes > 0 && node.name_offset < layers().count(Section::kNames))
      if (auto touched = touch(Section::kNames, node.name_offset, node.name_bytes); !touched)
        return std::unexpected(touched.error());
    return GetName(node);
  };
  uint64_t low = 0;
  uint64_t high = directory.child_count;  // the name stands in [low, high), if anywhere
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    uint64_t probe = middle;
    auto found = name_of(probe);
    const auto unreadable = found;
    while (!found && bad_blocks.size() < kMaxBadBlocks && probe + 1 < high) found = name_of(++probe);
    if (found && *found < name) {
      low = probe + 1;
      continue;
    }
    if (found && *found == name) return probe;
    // It stands before the probe: look below the gap, if there was one.
    high = middle;
    if (unreadable) continue;
    probe = middle;
    found = unreadable;
    while (!found && bad_blocks.size() < kMaxBadBlocks && probe > low) found = name_of(--probe);
    if (!found || *found < name) return std::unexpected(unreadable.error());
    if (*found == name) return probe;
    high = probe;
  }
  return std::nullopt;
}

Result<std::optional<NodeNumber>> Index::Lookup(const Directory& directory, std::string_view name) const {
  const auto place = FindPlace(directory, name);
  if (!place) return std::unexpected(place.error());
  if (!*place) return std::nullopt;
  const NodeNumber number = directory.first_child + **place;
  if (number < layers().first_further_node()) return number;
  const auto child = FollowReference(directory, number);
  if (!child) return std::unexpected(child.error());
  return child->number;
}

// A directory that was listed twice in another one would make more paths than nodes, and so would each below it: only
// the one that a search finds is it.
Result<NodeNumber> Index::GetFurtherChild(const Directory& directory, NodeNumber place) const {
  const auto child = FollowReference(directory, place);
  if (!child) return std::unexpected(child.error());
  if (child->number == place || child->kind != NodeKind::kDirectory) return child->number;
  const auto name = GetName(*child);
  if (!name) return std::unexpected(name.error());
  const auto found = FindPlace(directory, *name);
  if (!found) return std::unexpected(found.error());
  if (!*found || directory.first_child + **found != place)
    return Corrupt("node {}: it stands for node {}, as another entry of the directory does", place, child->number);
  return child->number;
}

// The rules of FORMAT.md, by which a node has one parent and one path in it, whatever the references say.
Result<Index::Child> Index::FollowReference(const Directory& directory, NodeNumber place) const {
  const auto record = GetRecord(Section::kNodes, place, "node");
  if (!record) return std::unexpected(record.error());
  const Node reference = DecodeNode(*record);
  if (reference.kind != NodeKind::kReference) return Child{reference, place};
  const NodeNumber number = reference.content;
  if (number <= directory.node || number >= layers().Find(Section::kNodes, place).first_node())
    return Corrupt("node {}: it stands for node {}, which is no entry of a layer below", place, number);
  const auto own = GetRecord(Section::kNodes, number, "node");
  if (!own) return std::unexpected(own.error());
  const Node node = DecodeNode(*own);
  if (node.kind == NodeKind::kReference || node.name_offset != reference.name_offset ||
      node.name_bytes != reference.name_bytes)
    return Corrupt("node {}: it stands for node {}, which is another entry", place, number);
  const auto holder = FindHolder(number);
  const auto held_by = holder ? DecodeDirectoryAt(*holder) : std::unexpected(holder.error());
  if (!held_by) return std::unexpected(held_by.error());
  if (held_by->node != directory.node || number - held_by->first_child >= held_by->child_count)
    return Corrupt("node {}: it stands for node {}, which is no child of node {}", place, number, directory.node);
  return Child{node, number};
}

Result<Directory> Index::GetHolder(NodeNumber number) const {
  assert(number > 0);
  const auto holder = FindHolder(number);
  if (!holder) return std::unexpected(holder.error());
  auto parent = GetDirectory(*holder);
  if (parent && number - parent->first_child >= parent->child_count)
    return Corrupt("node {}: no directory holds it", number);
  return parent;
}

Result<NodeNumber> Index::GetParent(NodeNumber number) const {
  if (number == 0) return NodeNumber{0};
  const auto holder = GetHolder(number);
  if (!holder) return std::unexpected(holder.error());
  return holder->node;
}

Result<std::string> Index::GetPath(NodeNumber number) const {
  std::vector<std::string_view> names;
  size_t path_bytes = 0;
  for (NodeNumber at = number; at != 0;) {
    const auto node = GetNode(at);
    if (!node) return std::unexpected(node.error());
    const auto name = GetName(*node);
    if (!name) return std::unexpected(name.error());
    path_bytes += name->size() + (names.empty() ? 0 : 1);
    if (path_bytes > kMaxPathBytes) return Corrupt("node {}: its path is longer than {} bytes", number, kMaxPathBytes);
    names.push_back(*name);
    const auto parent = GetParent(at);
    if (!parent) return std::unexpected(parent.error());
    at = *parent;
  }
  return JoinUpwards(names);
}

Result<Segment> Index::GetSegment(uint64_t number) const {
  const auto record = GetRecord(Section::kSegments, number, "segment");
  if (!record) return std::unexpected(record.error());
  const Segment segment = DecodeSegment(*record);
  if (segment.length_bytes == 0 || segment.file_offset > kMaxSampleBytes ||
      segment.length_bytes > kMaxSampleBytes - segment.file_offset)
    return Corrupt("segment {}: {} bytes at {}", number, segment.length_bytes, segment.file_offset);
  if (segment.following >= segment_count() - number)
    return Corrupt("segment {}: {} follow, but the section ends", number, segment.following);
  const auto extents = CountExtents(segment);
  if (!extents) return std::unexpected(extents.error());
  if (segment.first_extent > extent_count() || *extents > extent_count() - segment.first_extent)
    return Corrupt("segment {}: extents {} + {}, there are {}", number, segment.first_extent, *extents, extent_count());
  return segment;
}

// Where there are no frames, none of their volumes is looked at: most packs.
Result<uint64_t> Index::ExtentBytesOf(const Segment& segment) const {
  if (!has_frames()) return kPageBytes;
  const auto record = GetRecord(Section::kExtents, segment.first_extent, "extent");
  if (!record) return std::unexpected(record.error());
  const auto volume = GetVolume(DecodeExtent(*record).volume);
  if (!volume) return std::unexpected(volume.error());
  return volume->is_framed() ? kFrameBytes : kPageBytes;
}

Result<uint64_t> Index::CountExtents(const Segment& segment) const {
  const auto extent_bytes = ExtentBytesOf(segment);
  if (!extent_bytes) return extent_bytes;
  return CeilDiv(segment.length_bytes, *extent_bytes);
}

Result<ContentRun> Index::FindRun(const Node& node, uint64_t file_offset) const {
  assert(node.is_sample() && file_offset < node.size_bytes);
  const auto in_extent = [&](ExtentNumber number, uint64_t expected_bytes, uint64_t skip) -> Result<ContentRun> {
    const auto extent = GetExtent(number);
    if (!extent) return std::unexpected(extent.error());
    if (extent->length_bytes != expected_bytes)
      return Corrupt("extent {}: {} bytes, its sample says {}", number, extent->length_bytes, expected_bytes);
    return ContentRun{.file_offset = file_offset,
                      .length_bytes = expected_bytes - skip,
                      .extent = number,
                      .extent_offset = static_cast<uint32_t>(skip)};
  };
  if (node.kind == NodeKind::kFile) return in_extent(node.content, node.size_bytes, file_offset);

  const auto hole_until = [&](uint64_t end) {
    return ContentRun{.file_offset = file_offset,
                      .length_bytes = std::min(end, node.size_bytes) - file_offset,
                      .extent = std::nullopt,
                      .extent_offset = 0};
  };
  if (node.content == kMaxRecords) return hole_until(node.size_bytes);
  const auto first = GetSegment(node.content);
  if (!first) return std::unexpected(first.error());
  const auto behind = PartitionPoint(first->following + 1, [&](uint64_t i) -> Result<bool> {
    const auto segment = GetSegment(node.content + i);
    if (!segment) return std::unexpected(segment.error());
    return segment->file_offset > file_offset;
  });
  if (!behind) return std::unexpected(behind.error());
  if (*behind > 0) {
    const auto segment = GetSegment(node.content + *behind - 1);
    if (!segment) return std::unexpected(segment.error());
    if (segment->length_bytes > node.size_bytes || segment->file_offset > node.size_bytes - segment->length_bytes)
      return Corrupt("segment {}: ends behind its sample of {} bytes", node.content + *behind - 1, node.size_bytes);
    if (const uint64_t within = file_offset - segment->file_offset; within < segment->length_bytes) {
      const auto extent_bytes = ExtentBytesOf(*segment);
      if (!extent_bytes) return std::unexpected(extent_bytes.error());
      const uint64_t chunk = within / *extent_bytes;
      return in_extent(segment->first_extent + chunk,
                       std::min(*extent_bytes, segment->length_bytes - chunk * *extent_bytes), within % *extent_bytes);
    }
  }
  if (*behind > first->following) return hole_until(node.size_bytes);
  const auto next = GetSegment(node.content + *behind);
  if (!next) return std::unexpected(next.error());
  return hole_until(next->file_offset);
}

Result<std::optional<uint64_t>> Index::FindFileOffset(const Node& node, ExtentNumber number) const {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile) return node.content == number ? std::optional<uint64_t>(0) : std::nullopt;
  if (node.content == kMaxRecords) return std::nullopt;
  for (uint64_t i = 0; i < kSegmentsLookedAt; ++i) {
    const auto segment = GetSegment(node.content + i);
    if (!segment) return std::unexpected(segment.error());
    if (segment->length_bytes > node.size_bytes || segment->file_offset > node.size_bytes - segment->length_bytes)
      return Corrupt("segment {}: ends behind its sample of {} bytes", node.content + i, node.size_bytes);
    const auto extent_bytes = ExtentBytesOf(*segment);
    if (!extent_bytes) return std::unexpected(extent_bytes.error());
    if (number >= segment->first_extent &&
        number - segment->first_extent < CeilDiv(segment->length_bytes, *extent_bytes))
      return segment->file_offset + (number - segment->first_extent) * *extent_bytes;
    if (segment->following == 0) break;
  }
  return std::nullopt;
}

Result<void> Index::ForEachSegment(const Node& node, const std::function<bool(uint64_t, const Segment&)>& visit) const {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile || node.content == kMaxRecords) return {};
  uint64_t end = 0;
  uint64_t expected_following = 0;
  for (uint64_t number = node.content;; ++number) {
    const auto segment = GetSegment(number);
    if (!segment) return std::unexpected(segment.error());
    if (segment->file_offset < end || segment->file_offset + segment->length_bytes > node.size_bytes)
      return Corrupt("segment {}: {} bytes at {} overlap another or the end of the sample", number,
                     segment->length_bytes, segment->file_offset);
    if (number > node.content && segment->following != expected_following)
      return Corrupt("segment {}: {} follow, the one before says otherwise", number, segment->following);
    end = segment->file_offset + segment->length_bytes;
    if (!visit(number, *segment) || segment->following == 0) return {};
    expected_following = segment->following - 1;
  }
}

Result<uint64_t> Index::GetStoredBytes(const Node& node) const {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile) return node.size_bytes;
  uint64_t stored_bytes = 0;
  auto done = ForEachSegment(node, [&](uint64_t, const Segment& segment) {
    stored_bytes += segment.length_bytes;
    return true;
  });
  if (!done) return Propagate(std::move(done));
  return stored_bytes;
}

Result<void> Index::ForEachXattr(const Attributes& attributes, const std::function<bool(const Xattr&)>& visit) const {
  const auto list = GetHeap(Section::kXattrs, attributes.xattr_offset, attributes.xattr_bytes, "xattrs");
  if (!list) return std::unexpected(list.error());
  for (std::span<const std::byte> rest = *list; !rest.empty();) {
    if (rest.size() < kXattrHeaderBytes) return Corrupt("xattrs at {}: cut short", attributes.xattr_offset);
    const uint64_t name_bytes = LoadUint<1>(rest, 0);
    const uint64_t value_bytes = LoadUint<4>(rest, 1);
    rest = rest.subspan(kXattrHeaderBytes);
    if (name_bytes > rest.size() || value_bytes > rest.size() - name_bytes)
      return Corrupt("xattrs at {}: cut short", attributes.xattr_offset);
    const Xattr xattr{.name = AsText(rest.first(name_bytes)), .value = rest.subspan(name_bytes, value_bytes)};
    if (xattr.name.empty() || xattr.name.find('\0') != xattr.name.npos)
      return Corrupt("xattrs at {}: a name that none can have", attributes.xattr_offset);
    // Anything but user.* could grant what its mounter does not have (security.capability).
    const bool is_shown = xattr.name.starts_with(kXattrPrefix) && xattr.name.size() > kXattrPrefix.size();
    if (is_shown && !visit(xattr)) return {};
    rest = rest.subspan(name_bytes + value_bytes);
  }
  return {};
}

}  // namespace quire
