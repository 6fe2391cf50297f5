// SPDX-License-Identifier: Apache-2.0
#include "format/growth/tree_removal.h"

#include <vector>

#include "format/growth/listed_nodes.h"

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
  ListedNodes listed(index_, &changes_.removed);
  for (NodeNumber number = 1; number < index_.node_count(); ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const auto node = index_.GetNode(number);
    if (!node || node->kind != NodeKind::kHardLink || !left_names_.contains(node->content)) continue;
    const auto is_listed = listed.Has(number);
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

}  // namespace quire
