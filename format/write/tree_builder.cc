// SPDX-License-Identifier: Apache-2.0
#include "format/write/tree_builder.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "format/rounding.h"

namespace quire {
namespace {

// The block size of nearly all file systems.
constexpr uint64_t kHoleUnitBytes = 4096;

bool HasHoles(const std::vector<DataRange>& ranges, uint64_t size_bytes) {
  return size_bytes > 0 && (ranges.size() != 1 || ranges.front().length_bytes != size_bytes);
}

}  // namespace

void AddData(std::vector<DataRange>& ranges, uint64_t begin, uint64_t end, uint64_t size_bytes) {
  assert(begin < end && begin < size_bytes);
  const uint64_t first = AlignDown(begin, kHoleUnitBytes);
  const uint64_t behind = std::min(AlignUp(end, kHoleUnitBytes), size_bytes);
  if (!ranges.empty() && ranges.back().offset + ranges.back().length_bytes >= first)
    ranges.back().length_bytes = behind - ranges.back().offset;
  else
    ranges.push_back({.offset = first, .length_bytes = behind - first});
}

Result<NodeNumber> TreeBuilder::Add(const TreeEntry& entry) {
  const bool is_symlink = entry.kind == NodeKind::kSymlink;
  Attributes attributes{.mode = is_symlink ? 0777U : entry.mode, .uid = entry.uid, .gid = entry.gid, .nlink = 1};
  if (auto interned = tables_.InternXattrs(entry.xattrs, attributes); !interned) return Propagate(std::move(interned));
  const auto number = tables_.InternAttributes(attributes);
  if (!number) return std::unexpected(number.error());
  Node node{.mtime = entry.mtime, .size_bytes = entry.size_bytes, .attributes = *number, .kind = entry.kind};
  const bool has_holes = entry.data != nullptr && HasHoles(*entry.data, entry.size_bytes);
  if (is_symlink) {
    node.size_bytes = entry.target.size();
    const auto target = tables_.AddText(entry.target);
    if (!target) return std::unexpected(target.error());
    node.content = *target;
  } else if (entry.kind == NodeKind::kDirectory) {
    node.size_bytes = kDirectorySizeBytes;
    node.content = tables_.directories.size();
    if (auto added = tables_.directories.Append({.node = tables_.nodes.size()}); !added)
      return Propagate(std::move(added));
    ++subdirectories_;
  } else if (has_holes || node.size_bytes > kPageBytes) {
    node.kind = NodeKind::kSegmented;
  }
  const auto added = tables_.AddNode(node, entry.name);
  if (added && has_holes) sparse_[*added] = *entry.data;
  return added;
}

Result<NodeNumber> TreeBuilder::AddName(std::string_view name, NodeNumber first) {
  assert(first < tables_.nodes.size());
  ++names_.try_emplace(first, 1).first->second;
  return tables_.AddNode({.kind = NodeKind::kHardLink, .content = first}, name);
}

void TreeBuilder::BeginDirectory() {
  assert(directory_ < tables_.directories.size());
  tables_.directories[directory_].first_child = tables_.nodes.size();
  subdirectories_ = 0;
}

Result<void> TreeBuilder::EndDirectory() {
  Directory& directory = tables_.directories[directory_++];
  directory.child_count = tables_.nodes.size() - directory.first_child;
  return tables_.SetLinks(directory.node, 2 + subdirectories_);
}

Result<SparseSamples> TreeBuilder::Finish() {
  assert(directory_ == tables_.directories.size());
  for (const auto& [node, names] : names_)
    if (auto set = tables_.SetLinks(node, names); !set) return Propagate(std::move(set));
  return std::move(sparse_);
}

}  // namespace quire
