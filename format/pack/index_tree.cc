// SPDX-License-Identifier: Apache-2.0
// Directories of the index: that they are a tree, who holds a node, and which child has a name.
#include <algorithm>
#include <cassert>
#include <vector>

#include "format/pack/entry_path.h"
#include "format/pack/index.h"
#include "format/pack/record_search.h"

namespace quire {

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

}  // namespace quire
