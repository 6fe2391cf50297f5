// SPDX-License-Identifier: Apache-2.0
#include "tools/compression_ratios.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "format/pack/coded_members.h"
#include "format/write/encoder_dictionaries.h"

namespace quire {
namespace {

class RatioFinder {
 public:
  explicit RatioFinder(const Index& index) : index_(index), members_(index) {}

  Result<CompressionRatios> Run() {
    if (auto found = FindListed(); !found) return Propagate(std::move(found));
    for (NodeNumber number = 0; number < index_.node_count(); ++number) {
      const auto node = index_.GetNode(number);
      if (!node && node.error().code == ErrorCode::kSystem) return std::unexpected(node.error());
      if (!node || !node->is_sample()) continue;
      if (CompressionRatio* const ratio = Of(number, *node)) ++ratio->samples;
    }
    for (ExtentNumber number = 0; number < index_.extent_count(); ++number)
      if (auto added = AddExtent(number); !added) return Propagate(std::move(added));
    ShareMember();
    CompressionRatios ratios{.suffixes = {},
                             .dictionaries = index_.dictionary_count() - 1,
                             .dictionary_bytes = index_.layers().count(Section::kDictionaryBytes)};
    for (auto& [suffix, ratio] : by_suffix_) {
      ratio.suffix = suffix;
      ratios.suffixes.push_back(std::move(ratio));
    }
    std::ranges::stable_sort(ratios.suffixes, std::greater(), &CompressionRatio::sample_bytes);
    return ratios;
  }

 private:
  // Of several generations the nodes and extents of all are there.
  Result<void> FindListed() {
    if (index_.layers().size() == 1) return {};
    listed_.resize(index_.node_count());
    std::vector<NodeNumber> folders = {0};
    while (!folders.empty()) {
      const auto folder = index_.GetNode(folders.back());
      folders.pop_back();
      const auto directory = folder ? index_.GetDirectory(folder->content) : std::unexpected(folder.error());
      if (!directory && directory.error().code == ErrorCode::kSystem) return std::unexpected(directory.error());
      for (uint64_t i = 0; directory && i < directory->child_count; ++i) {
        const auto child = index_.GetChild(*directory, i);
        const auto node = child ? index_.GetNode(*child) : std::unexpected(child.error());
        if (!node && node.error().code == ErrorCode::kSystem) return std::unexpected(node.error());
        if (!node || listed_[*child]) continue;
        listed_[*child] = true;
        if (node->kind == NodeKind::kDirectory) folders.push_back(*child);
      }
    }
    return {};
  }

  CompressionRatio* Of(NodeNumber number, const Node& node) {
    if (!listed_.empty() && !listed_[number]) return &gone_;
    const auto name = index_.GetName(node);
    return name ? &by_suffix_[SuffixOf(*name)] : nullptr;
  }

  Result<void> AddExtent(ExtentNumber number) {
    const auto extent = index_.GetExtent(number);
    if (!extent && extent.error().code == ErrorCode::kSystem) return std::unexpected(extent.error());
    if (!extent) return {};
    const auto node = index_.GetNode(extent->node);
    CompressionRatio* const ratio = node ? Of(extent->node, *node) : nullptr;
    if (ratio == nullptr) return {};
    ratio->sample_bytes += extent->length_bytes;
    if (IsInMember(*extent)) {
      of_member_.emplace_back(ratio, extent->length_bytes);
    } else {
      ShareMember();
      if (FindMember(*extent))
        of_member_ = {{ratio, extent->length_bytes}};
      else
        ratio->stored_bytes += extent->length_bytes;
    }
    return {};
  }

  [[nodiscard]] bool IsInMember(const Extent& extent) const {
    return member_ && extent.volume == member_->volume && extent.offset >= member_->offset &&
           extent.offset - member_->offset < member_->size_bytes;
  }

  // Members come in the order of extents.
  bool FindMember(const Extent& extent) {
    for (; extent.volume > 0 && next_member_ < members_.count(); ++next_member_) {
      const auto member = members_.Get(next_member_);
      if (!member) continue;
      if (std::pair(member->volume, member->offset) > std::pair(extent.volume, extent.offset)) return false;
      member_ = *member;
      if (IsInMember(extent)) return true;
    }
    return false;
  }

  // What a member takes is shared by its samples, as they have bytes of it.
  void ShareMember() {
    uint64_t bytes = 0;
    for (const auto& [ratio, own_bytes] : of_member_) bytes += own_bytes;
    if (bytes == 0) return;
    uint64_t begin = 0;
    for (const auto& [ratio, own_bytes] : of_member_) {
      const uint64_t end = begin + own_bytes;
      ratio->stored_bytes += member_->stored_bytes * end / bytes - member_->stored_bytes * begin / bytes;
      begin = end;
    }
    of_member_.clear();
  }

  const Index& index_;
  const CodedMembers members_;
  std::vector<bool> listed_;  // by node; empty where all nodes are of the generation
  CompressionRatio gone_;     // of those that are not
  std::map<std::string, CompressionRatio> by_suffix_;
  uint64_t next_member_ = 0;
  std::optional<CodedMember> member_;                              // the last one that was found
  std::vector<std::pair<CompressionRatio*, uint64_t>> of_member_;  // of its extents: whose, and their bytes
};

}  // namespace

CompressionRatio CompressionRatios::Total() const {
  CompressionRatio total;
  for (const CompressionRatio& ratio : suffixes) {
    total.samples += ratio.samples;
    total.sample_bytes += ratio.sample_bytes;
    total.stored_bytes += ratio.stored_bytes;
  }
  return total;
}

Result<CompressionRatios> FindCompressionRatios(const Index& index) { return RatioFinder(index).Run(); }

}  // namespace quire
