// SPDX-License-Identifier: Apache-2.0
#include "format/import/merged_tree.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "format/pack/entry_path.h"
#include "format/write/packed_entry.h"

namespace quire {
namespace {

constexpr uint32_t kFolderMode = 0755;  // of a directory that no pack has

template <typename T>
std::unexpected<Error> In(const std::string& pack, const Result<T>& result) {
  Error error = result.error();
  error.message = fmt::format("{}: {}", pack, error.message);
  return std::unexpected(std::move(error));
}

}  // namespace

MergedTree::MergedTree(IndexTables& tables, std::vector<Source> sources, const std::string& spool_folder,
                       std::atomic<uint64_t>& entries, const std::atomic<bool>* interrupted)
    : tables_(tables),
      sources_(std::move(sources)),
      entries_(entries),
      interrupted_(interrupted),
      builder_(tables),
      merged_(spool_folder),
      folders_(spool_folder),
      parts_(spool_folder) {}

Result<void> MergedTree::Build() {
  for (const Source& source : sources_) {
    first_node_.push_back(merged_.size());
    for (uint64_t node = 0; node < source.index->node_count(); ++node) {
      if (resident_.IsReached()) merged_.LetGo();
      if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (auto added = merged_.Append(kNone); !added) return added;
    }
  }
  std::vector<Part> roots;
  for (size_t source = 0; source < sources_.size(); ++source) {
    const auto root = sources_[source].index->GetNode(0);
    if (!root) return In(sources_[source].path, root);
    if (root->kind != NodeKind::kDirectory)
      return Corrupt("{}: node 0: the root is not a directory", sources_[source].path);
    roots.push_back({.source = source, .depth = 0, .record = root->content});
  }
  if (auto added = AddDirectory(roots, "", 0); !added) return added;
  for (uint64_t number = 0; number < folders_.size(); ++number) {
    const Folder folder = folders_[number];
    if (auto filled = Fill(folder); !filled) return filled;
  }
  auto finished = builder_.Finish();
  return finished ? Result<void>() : Propagate(std::move(finished));
}

std::optional<NodeNumber> MergedTree::Find(size_t source, NodeNumber number) const {
  const NodeNumber merged = merged_[first_node_[source] + number];
  return merged == kNone ? std::nullopt : std::optional(merged);
}

// As `sort -m` merges sorted files: the entries of all parts that have the first of the names that are left.
Result<void> MergedTree::Fill(const Folder& folder) {
  builder_.BeginDirectory();
  std::priority_queue<Cursor, std::vector<Cursor>, std::greater<>> next;
  for (uint64_t i = 0; i < folder.part_count; ++i) {
    const Part part = parts_[folder.first_part + i];
    const auto cursor = Begin(part);
    if (!cursor) return In(sources_[part.source].path, cursor);
    if (*cursor) next.push(**cursor);
  }
  std::vector<Cursor> same;
  while (!next.empty()) {
    if (IsInterrupted()) return MakeError(ErrorCode::kInterrupted, "interrupted");
    if (resident_.IsReached()) tables_.LetGo();
    same.clear();
    do {
      same.push_back(next.top());
      next.pop();
    } while (!next.empty() && next.top().name == same.front().name);
    if (auto added = AddEntry(folder, same); !added) return added;
    ++entries_;
    for (Cursor& cursor : same) {
      const auto more = Advance(cursor);
      if (!more) return In(sources_[cursor.part.source].path, more);
      if (*more) next.push(cursor);
    }
  }
  return builder_.EndDirectory();
}

Result<std::optional<MergedTree::Cursor>> MergedTree::Begin(const Part& part) const {
  Cursor cursor{.part = part, .directory = {}, .position = 0, .name = {}, .number = 0, .node = {}};
  if (part.depth == sources_[part.source].top.size()) {
    const auto directory = sources_[part.source].index->GetDirectory(part.record);
    if (!directory) return std::unexpected(directory.error());
    cursor.directory = *directory;
  }
  const auto has_entry = Advance(cursor);
  if (!has_entry) return std::unexpected(has_entry.error());
  return *has_entry ? std::optional(cursor) : std::nullopt;
}

Result<bool> MergedTree::Advance(Cursor& cursor) const {
  const Source& source = sources_[cursor.part.source];
  if (cursor.part.depth < source.top.size()) {
    cursor.name = source.top[cursor.part.depth];
    cursor.node = {.kind = NodeKind::kDirectory};
    return cursor.position++ == 0;
  }
  if (cursor.position == cursor.directory.child_count) return false;
  const auto child = source.index->GetChild(cursor.directory, cursor.position++);
  if (!child) return std::unexpected(child.error());
  cursor.number = *child;
  const auto node = source.index->GetNode(cursor.number);
  if (!node) return std::unexpected(node.error());
  const auto name = source.index->GetName(*node);
  if (!name) return std::unexpected(name.error());
  if (cursor.position > 1 && *name <= cursor.name)
    return Corrupt("node {}: its name is not behind the one before", cursor.number);
  cursor.node = *node;
  cursor.name = *name;
  return true;
}

std::string MergedTree::PathOf(const Folder& folder, std::string_view name) const {
  const std::string above = tables_.PathOf(folder.node);
  return fmt::format("{}{}{}", above, above.empty() ? "" : "/", name);
}

Result<void> MergedTree::AddEntry(const Folder& folder, const std::vector<Cursor>& same) {
  const Cursor& first = same.front();
  const size_t path_bytes = PathBytesBelow(folder.path_bytes, first.name.size());
  if (path_bytes > kMaxPathBytes)
    return Unsupported("{}: '{}' would have a path of more than {} bytes", sources_[first.part.source].path, first.name,
                       kMaxPathBytes);
  const auto is_directory = [](const Cursor& cursor) { return cursor.node.kind == NodeKind::kDirectory; };
  if (std::ranges::all_of(same, is_directory)) {
    std::vector<Part> parts;
    for (const Cursor& cursor : same) {
      const bool is_above = cursor.part.depth < sources_[cursor.part.source].top.size();
      parts.push_back({.source = cursor.part.source,
                       .depth = cursor.part.depth + (is_above ? 1 : 0),
                       .record = is_above ? cursor.part.record : cursor.node.content});
      if (!is_above) Merged(cursor.part.source, cursor.number) = tables_.nodes.size();
    }
    return AddDirectory(parts, first.name, path_bytes);
  }
  if (same.size() > 1)
    return Unsupported(
        "'{}' is in {} and in {}, and not a directory in both; --at puts a pack into a folder of its own",
        PathOf(folder, first.name), sources_[first.part.source].path, sources_[same[1].part.source].path);
  auto added = AddFileOrLink(first);
  return added ? added : In(sources_[first.part.source].path, added);
}

// The first part that is a directory of its pack says what the directory is.
Result<void> MergedTree::AddDirectory(const std::vector<Part>& parts, std::string_view name, size_t path_bytes) {
  const auto is_of_tree = [&](const Part& part) { return part.depth == sources_[part.source].top.size(); };
  const auto own = std::ranges::find_if(parts, is_of_tree);
  const Part& teller = own == parts.end() ? parts.front() : *own;
  const auto entry = DescribeDirectory(teller, name);
  if (!entry) return In(sources_[teller.source].path, entry);
  const auto node = builder_.Add(*entry);
  if (!node) return std::unexpected(node.error());
  if (auto added = folders_.Append(
          {.node = *node, .path_bytes = path_bytes, .first_part = parts_.size(), .part_count = parts.size()});
      !added)
    return added;
  return parts_.Append(std::span(parts));
}

Result<TreeEntry> MergedTree::DescribeDirectory(const Part& part, std::string_view name) {
  const Source& source = sources_[part.source];
  const auto directory = source.index->GetDirectory(part.record);
  if (!directory) return std::unexpected(directory.error());
  const auto node = source.index->GetNode(directory->node);
  if (!node) return std::unexpected(node.error());
  auto described = DescribeEntry(*source.index, *node);
  if (!described) return Propagate(std::move(described));
  const bool is_above = part.depth < source.top.size();
  xattrs_ = is_above ? "" : std::move(described->xattrs);
  return TreeEntry{.name = name,
                   .kind = NodeKind::kDirectory,
                   .mode = is_above ? kFolderMode : described->attributes.mode,
                   .uid = described->attributes.uid,
                   .gid = described->attributes.gid,
                   .xattrs = xattrs_,
                   .mtime = node->mtime};
}

// The first of its names that is met has the content: in a pack of several generations it may be any.
Result<void> MergedTree::AddFileOrLink(const Cursor& entry) {
  const Index& index = *sources_[entry.part.source].index;
  const bool is_link = entry.node.kind == NodeKind::kHardLink;
  const NodeNumber content = is_link ? entry.node.content : entry.number;
  const auto node = is_link ? index.GetLinkedNode(entry.number, entry.node) : entry.node;
  if (!node) return std::unexpected(node.error());
  const auto first = Find(entry.part.source, content);
  if (!first) return AddContent(entry.part.source, entry.name, content, *node);
  const auto added = builder_.AddName(entry.name, *first);
  return added ? Result<void>() : std::unexpected(added.error());
}

Result<void> MergedTree::AddContent(size_t source, std::string_view name, NodeNumber number, const Node& node) {
  const auto described = DescribeEntry(*sources_[source].index, node);
  if (!described) return std::unexpected(described.error());
  const auto added = builder_.Add({.name = name,
                                   .kind = node.is_sample() ? NodeKind::kFile : node.kind,
                                   .mode = described->attributes.mode,
                                   .uid = described->attributes.uid,
                                   .gid = described->attributes.gid,
                                   .xattrs = described->xattrs,
                                   .mtime = node.mtime,
                                   .size_bytes = node.size_bytes,
                                   .target = described->target});
  if (!added) return std::unexpected(added.error());
  Merged(source, number) = *added;
  if (node.is_sample()) tables_.nodes[*added].kind = node.kind;  // also a small sample may be cut in two
  return {};
}

}  // namespace quire
