// SPDX-License-Identifier: Apache-2.0
#include "format/growth/tree_merger.h"

#include <string>
#include <string_view>

#include "format/write/packed_entry.h"

namespace quire {

TreeMerger::TreeMerger(const Index& index, MergeKind kind, const std::atomic<bool>* interrupted,
                       ScannedChanges& scanned, TreeChanges& changes)
    : index_(index),
      kind_(kind),
      interrupted_(interrupted),
      scanned_(scanned),
      tables_(*scanned.tables),
      changes_(changes),
      removal_(index, interrupted, changes) {}

Result<void> TreeMerger::Prepare() {
  scanned_.keeps_others = kind_ == MergeKind::kAppend;
  for (uint64_t i = 0; i < tables_.nodes.size(); ++i)
    if (auto added = scanned_.fates.Append(kNoNode); !added) return added;
  for (uint64_t i = 0; i < tables_.directories.size(); ++i)
    if (auto added = scanned_.merged.Append(kNoNode); !added) return added;
  return {};
}

Result<void> TreeMerger::Graft(NodeNumber folder, const std::string& name) {
  if (auto prepared = Prepare(); !prepared) return prepared;
  scanned_.graft.emplace(folder, name);
  changes_.listed.try_emplace(folder);
  return {};
}

Result<void> TreeMerger::Merge(NodeNumber target) {
  if (auto prepared = Prepare(); !prepared) return prepared;
  const auto node = index_.GetNode(target);
  if (!node) return std::unexpected(node.error());
  scanned_.fates[0] = target;
  scanned_.merged[0] = target;
  if (auto described = Describe(0, target, *node); !described) return described;
  // Scanned directories stand before what they hold.
  for (uint64_t record = 0; record < tables_.directories.size(); ++record) {
    const NodeNumber own = scanned_.merged[record];
    if (own == kNoNode) continue;
    if (auto merged = MergeDirectory(record, own); !merged) return merged;
  }
  for (const FurtherName& name : further_names_)
    if (scanned_.fates[name.content] != name.own) changes_.listed[name.folder] = name.record;
  return removal_.Finish();
}

Result<void> TreeMerger::MergeDirectory(uint64_t record, NodeNumber own) {
  const Directory& scanned = tables_.directories[record];
  const auto node = index_.GetNode(own);
  const auto directory = node ? index_.GetDirectory(node->content) : std::unexpected(node.error());
  if (!directory) return std::unexpected(directory.error());
  bool is_listed_anew = false;
  NodeNumber next = scanned.first_child;
  const NodeNumber end = scanned.first_child + scanned.child_count;
  for (uint64_t i = 0; i < directory->child_count; ++i) {
    if (interrupted_ != nullptr && *interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto child = index_.GetChild(*directory, i);
    const auto child_node = child ? index_.GetNode(*child) : std::unexpected(child.error());
    const auto name = child_node ? index_.GetName(*child_node) : std::unexpected(child_node.error());
    if (!name) return std::unexpected(name.error());
    for (; next < end && tables_.NameOf(tables_.nodes[next]) < *name; ++next) is_listed_anew = true;
    if (next == end || tables_.NameOf(tables_.nodes[next]) != *name) {
      if (kind_ == MergeKind::kUpdate) is_listed_anew = true;
      continue;
    }
    if (kind_ == MergeKind::kUpdate && child_node->kind == NodeKind::kHardLink &&
        tables_.nodes[next].kind != NodeKind::kDirectory) {
      further_names_.push_back(
          {.content = tables_.ContentOf(next++), .own = child_node->content, .folder = own, .record = record});
      continue;
    }
    const auto stays = MergeEntry(next++, *child, *child_node);
    if (!stays) return std::unexpected(stays.error());
    if (!*stays) is_listed_anew = true;
  }
  if (next < end) is_listed_anew = true;
  if (is_listed_anew) changes_.listed[own] = record;
  return {};
}

Result<bool> TreeMerger::MergeEntry(NodeNumber scanned, NodeNumber own, const Node& node) {
  const Node& entry = tables_.nodes[scanned];
  if (entry.kind == NodeKind::kDirectory && node.kind == NodeKind::kDirectory) {
    scanned_.merged[entry.content] = own;
    scanned_.fates[scanned] = own;
    if (auto described = Describe(scanned, own, node); !described) return Propagate(std::move(described));
    return true;
  }
  if (kind_ == MergeKind::kUpdate) return UpdateEntry(tables_.ContentOf(scanned), own, node);
  if (auto removed = removal_.Remove(own); !removed) return Propagate(std::move(removed));
  return false;
}

Result<bool> TreeMerger::UpdateEntry(NodeNumber content, NodeNumber own, const Node& node) {
  NodeNumber& fate = scanned_.fates[content];
  if (fate != kNoNode) return fate == own;
  const auto is_unchanged = IsUnchanged(tables_.nodes[content], node);
  if (!is_unchanged || !*is_unchanged) return is_unchanged;
  fate = own;
  if (auto described = Describe(content, own, node); !described) return Propagate(std::move(described));
  return true;
}

Result<bool> TreeMerger::IsUnchanged(const Node& scanned, const Node& node) {
  if (scanned.is_sample())
    return node.is_sample() && node.size_bytes == scanned.size_bytes && node.mtime == scanned.mtime;
  if (scanned.kind != NodeKind::kSymlink || node.kind != NodeKind::kSymlink) return false;
  const auto target = index_.GetTarget(node);
  if (!target) return std::unexpected(target.error());
  return *target == std::string_view(tables_.names.span().data() + scanned.content, scanned.size_bytes);
}

Result<void> TreeMerger::Describe(NodeNumber scanned, NodeNumber own, const Node& node) {
  const Node& entry = tables_.nodes[scanned];
  const auto same = HaveSameAttributes(entry, node);
  if (!same) return std::unexpected(same.error());
  if (!*same || entry.mtime != node.mtime) changes_.described[own] = scanned;
  return {};
}

Result<bool> TreeMerger::HaveSameAttributes(const Node& scanned, const Node& own) {
  const bool is_directory = own.kind == NodeKind::kDirectory;
  const uint64_t both = uint64_t{scanned.attributes} << 32 | own.attributes;
  auto& known = same_attributes_[is_directory ? 0 : 1];
  if (const auto found = known.find(both); found != known.end()) return found->second;
  const Attributes& wanted = tables_.attributes[scanned.attributes];
  const auto described = DescribeEntry(index_, own);
  if (!described) return std::unexpected(described.error());
  const Attributes& has = described->attributes;
  // The links of a directory follow from what it lists, and are counted then.
  const bool same =
      wanted.mode == has.mode && wanted.uid == has.uid && wanted.gid == has.gid &&
      (is_directory || wanted.nlink == has.nlink) &&
      described->xattrs == std::string_view(tables_.xattrs.span().data() + wanted.xattr_offset, wanted.xattr_bytes);
  known.emplace(both, same);
  return same;
}

}  // namespace quire
