// SPDX-License-Identifier: Apache-2.0
#include "format/import/merged_contents.h"

#include <algorithm>
#include <span>
#include <utility>

#include "format/pack/sample_content.h"

namespace quire {

MergedContents::MergedContents(const Index& index, uint64_t first_volume, FindMerged find_merged, Rest rest,
                               IndexTables& tables, const std::string& spool_folder)
    : index_(index),
      first_volume_(first_volume),
      find_merged_(std::move(find_merged)),
      rest_(std::move(rest)),
      tables_(tables),
      owners_(spool_folder),
      extents_(spool_folder),
      segments_(spool_folder),
      kept_(spool_folder) {}

Result<void> MergedContents::Take() {
  if (auto found = FindOwners(); !found) return found;
  if (auto taken = TakeExtents(); !taken) return taken;
  if (auto taken = TakeSegments(); !taken) return taken;
  return SetContents();
}

Result<void> MergedContents::ForEachMerged(
    const std::function<Result<void>(const Node& node, NodeNumber merged)>& visit) {
  for (NodeNumber number = 0; number < index_.node_count(); ++number) {
    if (auto rested = rest_(); !rested) return rested;
    const auto merged = find_merged_(number);
    if (!merged) continue;
    const auto node = index_.GetNode(number);
    if (!node) return std::unexpected(node.error());
    if (auto visited = visit(*node, *merged); !visited) return visited;
  }
  return {};
}

// By the samples, since an extent names only one of those that share it, and that one may be gone.
Result<void> MergedContents::FindOwners() {
  for (ExtentNumber i = 0; i < index_.extent_count(); ++i) {
    if (auto rested = rest_(); !rested) return rested;
    if (auto added = owners_.Append(kNone); !added) return added;
    if (auto added = extents_.Append(kNone); !added) return added;
  }
  for (uint64_t i = 0; i < index_.segment_count(); ++i) {
    if (auto rested = rest_(); !rested) return rested;
    if (auto added = segments_.Append(kNone); !added) return added;
  }
  return ForEachMerged([this](const Node& node, NodeNumber merged) -> Result<void> {
    if (node.kind == NodeKind::kFile && node.size_bytes > 0) owners_[node.content] = merged;
    return node.kind == NodeKind::kSegmented ? OwnSegments(merged, node) : Result<void>();
  });
}

// Samples of one content share all segments. Others share no extent, so that the work is bounded whatever a pack says.
Result<void> MergedContents::OwnSegments(NodeNumber merged, const Node& node) {
  if (node.content == kMaxRecords || segments_[node.content] != kNone) return {};
  Result<void> owned;
  auto visited = ForEachSegment(index_, node, [&](uint64_t number, const Segment& segment) {
    segments_[number] = 0;  // it is wanted
    const auto extents = index_.CountExtents(segment);
    if (!extents) owned = std::unexpected(extents.error());
    for (uint64_t i = 0; owned && i < *extents; ++i) {
      NodeNumber& owner = owners_[segment.first_extent + i];
      if (owner != kNone) owned = Corrupt("segment {}: extent {} is another one's", number, segment.first_extent + i);
      owner = merged;
    }
    return owned.has_value();
  });
  return visited ? owned : visited;
}

// Each layer has its extents in the order of their places; all of them are sorted where that is not the order of all.
Result<void> MergedContents::TakeExtents() {
  for (ExtentNumber i = 0; i < index_.extent_count(); ++i) {
    if (auto rested = rest_(); !rested) return rested;
    if (owners_[i] == kNone) continue;
    auto extent = index_.GetExtent(i);
    if (!extent) return std::unexpected(extent.error());
    extent->node = find_merged_(extent->node).value_or(owners_[i]);
    extent->volume = static_cast<uint16_t>(first_volume_ + extent->volume);
    if (auto added = kept_.Append({.extent = *extent, .number = i}); !added) return added;
  }
  if (kept_.empty()) return {};
  const std::span kept(&kept_[0], kept_.size());
  const auto place_of = [](const Kept& one) { return std::pair(one.extent.volume, one.extent.offset); };
  if (!std::ranges::is_sorted(kept, {}, place_of)) std::ranges::sort(kept, {}, place_of);
  for (const Kept& one : kept) {
    if (auto rested = rest_(); !rested) return rested;
    extents_[one.number] = tables_.extents.size();
    if (auto added = tables_.extents.Append(one.extent); !added) return added;
  }
  return {};
}

Result<void> MergedContents::TakeSegments() {
  for (uint64_t number = 0; number < index_.segment_count(); ++number) {
    if (auto rested = rest_(); !rested) return rested;
    if (segments_[number] == kNone) continue;
    auto segment = index_.GetSegment(number);
    if (!segment) return std::unexpected(segment.error());
    const auto extents = index_.CountExtents(*segment);
    if (!extents) return std::unexpected(extents.error());
    const ExtentNumber first = extents_[segment->first_extent];
    for (uint64_t i = 0; i < *extents; ++i)
      if (extents_[segment->first_extent + i] != first + i)
        return Corrupt("segment {}: other extents lie between its own", number);
    segment->first_extent = first;
    segments_[number] = tables_.segments.size();
    if (auto added = tables_.segments.Append(*segment); !added) return added;
  }
  return {};
}

Result<void> MergedContents::SetContents() {
  return ForEachMerged([this](const Node& node, NodeNumber merged) -> Result<void> {
    uint64_t& content = tables_.nodes[merged].content;
    if (node.kind == NodeKind::kFile) content = node.size_bytes == 0 ? 0 : extents_[node.content];
    if (node.kind == NodeKind::kSegmented)
      content = node.content == kMaxRecords ? kMaxRecords : segments_[node.content];
    return {};
  });
}

}  // namespace quire
