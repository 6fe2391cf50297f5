// SPDX-License-Identifier: Apache-2.0
#include "format/growth/layer_builder.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "format/escaping.h"
#include "format/pack/entry_path.h"

namespace quire {

LayerBuilder::LayerBuilder(const Index& index, const TreeChanges& changes, const ScannedChanges* scanned,
                           IndexTables& layer, const std::string& spool_folder, const std::atomic<bool>* interrupted)
    : index_(index),
      changes_(changes),
      scanned_(scanned),
      tables_(scanned == nullptr ? nullptr : scanned->tables),
      layer_(layer),
      interrupted_(interrupted),
      numbers_(spool_folder) {}

Result<void> LayerBuilder::Build() {
  for (uint64_t i = 0; tables_ != nullptr && i < tables_->nodes.size(); ++i)
    if (auto added = numbers_.Append(0); !added) return added;
  if (auto described = ReplaceDescribed(); !described) return described;
  if (auto replaced = ReplaceLinks(); !replaced) return replaced;
  if (auto added = AddListedAnew(); !added) return added;
  for (; !pending_.empty(); pending_.pop_front())
    if (auto listed = List(pending_.front()); !listed) return listed;
  if (auto added = AddContents(); !added) return added;
  return AddReplaced();
}

// In the order of their nodes, so that equal changes make equal layers.
Result<void> LayerBuilder::AddListedAnew() {
  std::vector<NodeNumber> numbers;
  numbers.reserve(changes_.listed.size());
  for (const auto& [number, record] : changes_.listed) numbers.push_back(number);
  std::ranges::sort(numbers);
  for (const NodeNumber number : numbers) {
    const auto node = index_.GetNode(number);
    const auto path = node ? index_.GetPath(number) : std::unexpected(node.error());
    if (!path) return std::unexpected(path.error());
    pending_.push_back(
        {.node = number, .before = node->content, .scanned = changes_.listed.at(number), .path_bytes = path->size()});
  }
  directories_ = pending_.size();
  return {};
}

LayerBuilder::Additions LayerBuilder::AdditionsTo(const Listed& listed) const {
  if (listed.scanned) {
    const Directory& directory = tables_->directories[*listed.scanned];
    return {.first = directory.first_child, .count = directory.child_count, .name = {}};
  }
  if (scanned_ != nullptr && scanned_->graft && scanned_->graft->first == listed.node)
    return {.first = 0, .count = 1, .name = scanned_->graft->second};
  return {};
}

std::string_view LayerBuilder::NameOf(const Additions& additions, uint64_t i) const {
  return additions.name ? *additions.name : tables_->NameOf(tables_->nodes[additions.first + i]);
}

Result<void> LayerBuilder::List(const Listed& listed) {
  const NodeNumber first_child = next_node();
  uint32_t subdirectories = 0;
  if (auto merged = ListMerged(listed, subdirectories); !merged) return merged;
  const uint64_t record = first(Section::kDirectories) + layer_.directories.size();
  auto added = layer_.directories.Append(
      {.first_child = first_child, .child_count = next_node() - first_child, .node = listed.node});
  if (!added || !listed.before) return added;
  return ReplaceListed(listed, record, subdirectories);
}

Result<void> LayerBuilder::ListMerged(const Listed& listed, uint32_t& subdirectories) {
  const Additions additions = AdditionsTo(listed);
  uint64_t next = 0;
  const auto add_next = [&]() -> Result<void> {
    const NodeNumber scanned = additions.first + next;
    if (tables_->nodes[scanned].kind == NodeKind::kDirectory) ++subdirectories;
    return AddScanned(scanned, NameOf(additions, next++), listed.path_bytes);
  };
  Directory before;
  if (listed.before) {
    const auto directory = index_.GetDirectory(*listed.before);
    if (!directory) return std::unexpected(directory.error());
    before = *directory;
  }
  const bool keeps_others = !listed.scanned || scanned_->keeps_others;
  for (uint64_t i = 0; i < before.child_count; ++i) {
    if (interrupted_ != nullptr && *interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
    const auto child = index_.GetChild(before, i);
    const auto node = child ? index_.GetNode(*child) : std::unexpected(child.error());
    const auto name = node ? index_.GetName(*node) : std::unexpected(node.error());
    if (!name) return std::unexpected(name.error());
    while (next < additions.count && NameOf(additions, next) < *name)
      if (auto added = add_next(); !added) return added;
    const bool is_scanned = next < additions.count && NameOf(additions, next) == *name;
    const NodeNumber content = node->kind == NodeKind::kHardLink ? node->content : *child;
    if (is_scanned && scanned_->fates[tables_->ContentOf(additions.first + next)] != content) {
      if (auto added = add_next(); !added) return added;
      continue;
    }
    if (is_scanned) ++next;
    if (changes_.removed.contains(*child) || (!is_scanned && !keeps_others)) continue;
    if (node->kind == NodeKind::kDirectory) ++subdirectories;
    if (auto added = AddKept(*child, *node, *name); !added) return added;
  }
  while (next < additions.count)
    if (auto added = add_next(); !added) return added;
  return {};
}

Result<void> LayerBuilder::ReplaceListed(const Listed& listed, uint64_t record, uint32_t subdirectories) {
  const auto replacement = ReplacementOf(listed.node);
  if (!replacement) return std::unexpected(replacement.error());
  Node& node = **replacement;
  node.content = record;
  const auto described = changes_.described.find(listed.node);
  const auto attributes = described == changes_.described.end()
                              ? AttributesWithLinks(node, subdirectories + 2)
                              : AttributesOf(tables_->nodes[described->second], subdirectories + 2);
  if (!attributes) return std::unexpected(attributes.error());
  node.attributes = *attributes;
  return {};
}

Result<void> LayerBuilder::AddKept(NodeNumber number, const Node& node, std::string_view name) {
  const auto rehomed = changes_.rehomed.find(number);
  if (rehomed == changes_.rehomed.end())
    return layer_.nodes.Append({.name_offset = node.name_offset,
                                .name_bytes = node.name_bytes,
                                .kind = NodeKind::kReference,
                                .content = number});
  if (const auto home = new_homes_.find(rehomed->second); home != new_homes_.end())
    return AddHardLink(name, home->second);
  auto content = index_.GetNode(rehomed->second);
  if (!content) return std::unexpected(content.error());
  const auto attributes = AttributesWithLinks(*content, changes_.rehomed_links.at(rehomed->second));
  if (!attributes) return std::unexpected(attributes.error());
  content->attributes = *attributes;
  new_homes_.emplace(rehomed->second, next_node());
  return AddNode(*content, name);
}

Result<void> LayerBuilder::AddScanned(NodeNumber scanned, std::string_view name, uint64_t path_bytes) {
  path_bytes = PathBytesBelow(path_bytes, name.size());
  if (path_bytes > kMaxPathBytes)
    return Unsupported("'{}': its path in the pack would be longer than {} bytes", EscapeName(tables_->PathOf(scanned)),
                       kMaxPathBytes);
  const NodeNumber content = tables_->ContentOf(scanned);
  if (scanned_->fates[content] != kNoNode) return AddHardLink(name, scanned_->fates[content]);
  // The first name that is listed has the content, whichever was scanned first.
  if (numbers_[content] != 0) return AddHardLink(name, numbers_[content]);
  return AddScannedContent(content, name, path_bytes);
}

Result<void> LayerBuilder::AddScannedContent(NodeNumber scanned, std::string_view name, uint64_t path_bytes) {
  Node node = tables_->nodes[scanned];
  const auto attributes = AttributesOf(node);
  if (!attributes) return std::unexpected(attributes.error());
  node.attributes = *attributes;
  switch (node.kind) {
    case NodeKind::kFile:
      if (node.size_bytes > 0) node.content += first(Section::kExtents);
      break;
    case NodeKind::kSegmented:
      if (node.content != kMaxRecords) node.content += first(Section::kSegments);
      break;
    case NodeKind::kDirectory:
      pending_.push_back({.node = next_node(), .before = {}, .scanned = node.content, .path_bytes = path_bytes});
      node.content = first(Section::kDirectories) + directories_++;
      break;
    default: {
      const auto target =
          layer_.AddText({tables_->names.span().data() + node.content, static_cast<size_t>(node.size_bytes)});
      if (!target) return std::unexpected(target.error());
      node.content = first(Section::kNames) + *target;
    }
  }
  numbers_[scanned] = next_node();
  return AddNode(node, name);
}

Result<void> LayerBuilder::AddHardLink(std::string_view name, NodeNumber content) {
  return AddNode({.kind = NodeKind::kHardLink, .content = content}, name);
}

Result<void> LayerBuilder::AddNode(Node node, std::string_view name) {
  if (next_node() >= kMaxRecords) return Unsupported("more than 2^40 entries");
  added_.Add(node);
  const auto offset = layer_.AddText(name);
  if (!offset) return std::unexpected(offset.error());
  node.name_offset = first(Section::kNames) + *offset;
  node.name_bytes = static_cast<uint8_t>(name.size());
  return layer_.nodes.Append(node);
}

Result<void> LayerBuilder::ReplaceDescribed() {
  for (const auto& [number, scanned] : changes_.described) {
    const auto replacement = ReplacementOf(number);
    if (!replacement) return std::unexpected(replacement.error());
    Node& node = **replacement;
    const Node& entry = tables_->nodes[scanned];
    const auto before = index_.GetAttributes(node.attributes);
    if (!before) return std::unexpected(before.error());
    const bool is_directory = node.kind == NodeKind::kDirectory;
    const auto attributes = AttributesOf(entry, is_directory ? std::optional(before->nlink) : std::nullopt);
    if (!attributes) return std::unexpected(attributes.error());
    node.attributes = *attributes;
    node.mtime = entry.mtime;
  }
  return {};
}

Result<void> LayerBuilder::ReplaceLinks() {
  for (const auto& [number, nlink] : changes_.links) {
    const auto replacement = ReplacementOf(number);
    if (!replacement) return std::unexpected(replacement.error());
    const auto attributes = AttributesWithLinks(**replacement, nlink);
    if (!attributes) return std::unexpected(attributes.error());
    (*replacement)->attributes = *attributes;
  }
  return {};
}

// What the scanned samples have beside their nodes.
Result<void> LayerBuilder::AddContents() {
  if (tables_ == nullptr) return {};
  for (Extent extent : tables_->extents.span()) {
    extent.node = numbers_[extent.node];
    if (auto added = layer_.extents.Append(extent); !added) return added;
  }
  for (Segment segment : tables_->segments.span()) {
    segment.first_extent += first(Section::kExtents);
    if (auto added = layer_.segments.Append(segment); !added) return added;
  }
  return AddFrames();
}

// Record 0 of the dictionaries is that of the lowest layer that has any.
Result<void> LayerBuilder::AddFrames() {
  const uint64_t below = first(Section::kDictionaries);
  for (CodedMember member : tables_->coded_members.span()) {
    if (member.dictionary != 0 && below > 0) member.dictionary = static_cast<uint8_t>(member.dictionary + below - 1);
    if (auto added = layer_.coded_members.Append(member); !added) return added;
  }
  layer_.dictionaries = tables_->dictionaries;
  if (below > 0 && !layer_.dictionaries.empty()) layer_.dictionaries.erase(layer_.dictionaries.begin());
  for (Dictionary& dictionary : layer_.dictionaries)
    if (dictionary.bytes > 0) dictionary.offset += first(Section::kDictionaryBytes);
  layer_.dictionary_bytes = tables_->dictionary_bytes;
  return {};
}

Result<void> LayerBuilder::AddReplaced() {
  for (const auto& [number, node] : replaced_)
    if (auto added = layer_.replaced.Append({.number = number, .node = node}); !added) return added;
  return {};
}

Result<Node*> LayerBuilder::ReplacementOf(NodeNumber number) {
  if (const auto found = replaced_.find(number); found != replaced_.end()) return &found->second;
  const auto node = index_.GetNode(number);
  if (!node) return std::unexpected(node.error());
  return &replaced_.emplace(number, *node).first->second;
}

Result<uint32_t> LayerBuilder::AttributesOf(const Node& scanned, std::optional<uint32_t> nlink) {
  Attributes attributes = tables_->attributes[scanned.attributes];
  if (nlink) attributes.nlink = *nlink;
  if (attributes.xattr_bytes > 0) {
    const std::string_view list(tables_->xattrs.span().data() + attributes.xattr_offset, attributes.xattr_bytes);
    if (auto interned = layer_.InternXattrs(list, attributes); !interned) return std::unexpected(interned.error());
    attributes.xattr_offset += first(Section::kXattrs);
  }
  const auto number = layer_.InternAttributes(attributes);
  if (!number) return number;
  return static_cast<uint32_t>(first(Section::kAttributes)) + *number;
}

// `own`: a node below, or one whose attributes are those of the layer already.
Result<uint32_t> LayerBuilder::AttributesWithLinks(const Node& own, uint32_t nlink) {
  const uint64_t first_own = first(Section::kAttributes);
  Attributes attributes;
  if (own.attributes >= first_own) {
    attributes = layer_.attributes[own.attributes - first_own];
  } else {
    const auto below = index_.GetAttributes(own.attributes);
    if (!below) return std::unexpected(below.error());
    attributes = *below;
  }
  if (attributes.nlink == nlink) return own.attributes;
  attributes.nlink = nlink;
  const auto number = layer_.InternAttributes(attributes);
  if (!number) return number;
  return static_cast<uint32_t>(first_own) + *number;
}

}  // namespace quire
