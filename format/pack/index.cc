// SPDX-License-Identifier: Apache-2.0
#include "format/pack/index.h"

#include <cassert>
#include <utility>

#include "format/coding.h"
#include "format/pack/record_search.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr std::string_view kXattrPrefix = "user.";

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

Result<Attributes> Index::GetAttributes(uint32_t number) const {
  const auto record = GetRecord(Section::kAttributes, number, "attributes");
  if (!record) return std::unexpected(record.error());
  const Attributes attributes = DecodeAttributes(*record);
  if (attributes.mode > 07777) return Corrupt("attributes {}: mode {:o}", number, attributes.mode);
  if (attributes.xattr_bytes > kMaxXattrListBytes)
    return Corrupt("attributes {}: extended attributes of {} bytes", number, attributes.xattr_bytes);
  return attributes;
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

Result<std::string_view> Index::GetLocation(const Volume& volume) const {
  if (volume.location_bytes > kMaxPathBytes) return Corrupt("location of {} bytes", volume.location_bytes);
  const auto bytes = GetHeap(Section::kNames, volume.location_offset, volume.location_bytes, "location");
  if (!bytes) return std::unexpected(bytes.error());
  const std::string_view location = AsText(*bytes);
  if (location.find('\0') != location.npos) return Corrupt("location at {}: holds a NUL", volume.location_offset);
  return location;
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

}  // namespace quire
