// SPDX-License-Identifier: Apache-2.0
#include "format/growth/tree_removal.h"

#include <vector>

namespace quire {

Result<void> TreeRemoval::CheckInterrupted() const {
  if (interrupted_ != nullptr && interrupted_->load(std::memory_order_relaxed))
    return MakeError(ErrorCode::kInterrupted, "interrupted");
  return {};
}

Result<void> TreeRemoval::Remove(NodeNumber number) {
  const auto parent = index_.GetParent(number);
  if (!parent) return std::unexpected(parent.error());
  changes_.listed.try_emplace(*parent);
  changes_.removed.insert(number);
  std::vector<NodeNumber> pending = {number};
  while (!pending.empty()) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const NodeNumber at = pending.back();
    pending.pop_back();
    const auto node = index_.GetNode(at);
    if (!node) return std::unexpected(node.error());
    if (auto taken = Take(at, *node); !taken) return taken;
    if (node->kind != NodeKind::kDirectory) continue;
    const auto directory = index_.GetDirectory(node->content);
    if (!directory) return std::unexpected(directory.error());
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index_.GetChild(*directory, i);
      if (!child) return std::unexpected(child.error());
      pending.push_back(*child);
    }
  }
  return {};
}

Result<void> TreeRemoval::Take(NodeNumber number, const Node& node) {
  gone_.Add(node);
  if (node.kind == NodeKind::kDirectory) return {};
  if (node.kind == NodeKind::kHardLink) {
    ++lost_names_[node.content];
    return {};
  }
  const auto attributes = index_.GetAttributes(node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  if (attributes->nlink <= 1) return {};
  ++lost_names_[number];
  homeless_.insert(number);
  return {};
}

Result<void> TreeRemoval::Finish() {
  for (const auto& [content, lost] : lost_names_) {
    const auto node = index_.GetNode(content);
    const auto attributes = node ? index_.GetAttributes(node->attributes) : std::unexpected(node.error());
    if (!attributes) return std::unexpected(attributes.error());
    if (lost > attributes->nlink || (lost == attributes->nlink && !homeless_.contains(content)))
      return Corrupt("node {}: {} links, {} names were found", content, attributes->nlink, lost);
    const uint32_t left = attributes->nlink - lost;
    if (left == 0) continue;
    if (homeless_.contains(content))
      left_names_[content] = left;
    else
      changes_.links[content] = left;
  }
  return left_names_.empty() ? Result<void>() : FindOtherNames();
}

// No table leads from a sample to its names: a pass over all nodes, where a sample's first name went and others stay.
Result<void> TreeRemoval::FindOtherNames() {
  std::unordered_map<NodeNumber, uint32_t> missing = left_names_;
  for (NodeNumber number = 1; number < index_.node_count(); ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const auto node = index_.GetNode(number);
    if (!node || node->kind != NodeKind::kHardLink || !left_names_.contains(node->content)) continue;
    const auto is_listed = IsListed(number);
    if (!is_listed) return std::unexpected(is_listed.error());
    if (!*is_listed) continue;
    const auto parent = index_.GetParent(number);
    if (!parent) return std::unexpected(parent.error());
    changes_.rehomed.emplace(number, node->content);
    changes_.listed.try_emplace(*parent);
    changes_.rehomed_links[node->content] = left_names_[node->content];
    gone_.Add(*node);
    --missing[node->content];
  }
  for (const auto& [content, count] : missing)
    if (count != 0)
      return Corrupt("node {}: {} names more or less than its {} links; `quire verify` tells what is damaged", content,
                     count, left_names_[content]);
  return {};
}

// Whether the generation lists it and will go on to: each directory on the way up lists the one below.
Result<bool> TreeRemoval::IsListed(NodeNumber number) {
  std::vector<NodeNumber> way;
  bool is_listed = true;
  for (NodeNumber at = number; at != 0 && is_listed;) {
    if (const auto known = is_listed_.find(at); known != is_listed_.end()) {
      is_listed = known->second;
      break;
    }
    way.push_back(at);
    const auto parent = index_.GetParent(at);
    const auto folder = parent ? index_.GetNode(*parent) : std::unexpected(parent.error());
    const auto directory = folder ? index_.GetDirectory(folder->content) : std::unexpected(folder.error());
    const auto own = directory ? index_.GetNode(at) : std::unexpected(directory.error());
    const auto name = own ? index_.GetName(*own) : std::unexpected(own.error());
    if (!name) return std::unexpected(name.error());
    const auto found = index_.Lookup(*directory, *name);
    if (!found) return std::unexpected(found.error());
    is_listed = *found == at && !changes_.removed.contains(at);
    at = *parent;
  }
  for (size_t i = 1; i < way.size(); ++i) is_listed_[way[i]] = is_listed;
  return is_listed;
}

}  // namespace quire
