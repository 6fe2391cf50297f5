// SPDX-License-Identifier: Apache-2.0
// The layers of which the index of one generation consists, each with a tree of blocks of its own, and where in them
// the records lie that are numbered through all of them. FORMAT.md, Layers. Most packs have one layer, for which each
// access costs a compare more than the bytes themselves.
// Thread-safe. Views stay valid as long as this.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "format/pack/block_tree.h"
#include "format/pack/records.h"
#include "format/pack/superblock.h"
#include "format/result.h"

namespace quire {

// The layer that one generation added.
struct IndexLayer {
  Superblock superblock;
  std::shared_ptr<BlockTree> blocks;               // with those who read other generations of the pack
  std::array<uint64_t, kSectionCount> first = {};  // by section: records of the layers below; 0 of those not continued

  [[nodiscard]] NodeNumber first_node() const { return first[static_cast<size_t>(Section::kNodes)]; }
  // Of a record that lies in this layer, or of a byte of a heap: its place in `blocks`.
  [[nodiscard]] uint64_t OffsetOf(Section section, uint64_t number) const {
    const auto at = static_cast<size_t>(section);
    return superblock.sections[at].offset + (number - first[at]) * kRecordBytes[at];
  }
  [[nodiscard]] uint64_t end(Section section) const {
    return first[static_cast<size_t>(section)] + superblock.records(section);
  }
};

class IndexLayers {
 public:
  // As BlockTree has them, of offsets in the pack. Layers that `others` has as well, which may be null, are shared with
  // it.
  static Result<std::unique_ptr<IndexLayers>> Open(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                                   const BlockTree::FarReads& far, const IndexLayers* others = nullptr);

  [[nodiscard]] size_t size() const { return layers_.size(); }
  // 0 is the oldest.
  [[nodiscard]] const IndexLayer& operator[](size_t i) const { return layers_[i]; }
  [[nodiscard]] const IndexLayer& newest() const { return *newest_; }
  // Whether these are all layers of `older`, and further ones above.
  [[nodiscard]] bool Extends(const IndexLayers& older) const;
  // The superblock of a generation that can be opened by it; null where there is none.
  [[nodiscard]] const Superblock* FindGeneration(uint64_t generation) const;

  // Of all layers, or of the newest where the section is not continued.
  [[nodiscard]] uint64_t count(Section section) const { return counts_[static_cast<size_t>(section)]; }
  // The one in which record, or byte, `number` lies. REQUIRES: number < count(section), and the section is continued or
  // meant in the newest.
  [[nodiscard]] const IndexLayer& Find(Section section, uint64_t number) const {
    if (number >= newest_->first[static_cast<size_t>(section)]) [[likely]]
      return *newest_;
    return FindBelow(section, number);
  }

  // Record `number`, or why there is none; `what` names it.
  Result<std::span<const std::byte>> GetRecord(Section section, uint64_t number, const char* what) const {
    if (number >= count(section)) return Corrupt("{} {}: there are {}", what, number, count(section));
    const IndexLayer& layer = Find(section, number);
    return layer.blocks->Touch(layer.OffsetOf(section, number), kRecordBytes[static_cast<size_t>(section)]);
  }
  // Bytes of a heap. None lie in two layers.
  Result<std::span<const std::byte>> GetHeap(Section section, uint64_t offset, uint64_t bytes, const char* what) const;
  // The record that node `number` has in place of its first one, in the generation of so many layers; empty where it
  // has that. O(log replaced), in each layer above the node's. REQUIRES: number < count(kNodes).
  Result<std::optional<Node>> FindReplaced(NodeNumber number, size_t layers) const {
    if (number >= newest_->first[static_cast<size_t>(Section::kNodes)]) [[likely]]
      return std::nullopt;
    return FindReplacedAbove(number, layers);
  }
  // Nodes of all layers but the oldest have higher numbers, or this one.
  [[nodiscard]] NodeNumber first_further_node() const { return layers_.front().end(Section::kNodes); }

  // Record `number` will be touched soon: as BlockTree::Expect.
  void Expect(Section section, uint64_t number) const;

  // Of searches that go around damage: the next record that does not begin in the block of the index in which
  // `number` ends, count(section) where there is none; and the one before that ends in front of the block in which
  // `number` begins. REQUIRES: number < count(section).
  [[nodiscard]] uint64_t BehindBlock(Section section, uint64_t number) const;
  [[nodiscard]] std::optional<uint64_t> BeforeBlock(Section section, uint64_t number) const;

 private:
  IndexLayers() = default;
  Result<void> Add(const Superblock& superblock, std::shared_ptr<BlockTree> blocks);
  [[nodiscard]] std::shared_ptr<BlockTree> FindBlocks(const Superblock& superblock) const;
  [[nodiscard]] const IndexLayer& FindBelow(Section section, uint64_t number) const;
  [[nodiscard]] Result<std::optional<Node>> FindReplacedAbove(NodeNumber number, size_t layers) const;
  [[nodiscard]] Result<std::optional<Node>> FindReplacedIn(const IndexLayer& layer, NodeNumber number) const;

  std::vector<IndexLayer> layers_;
  const IndexLayer* newest_ = nullptr;
  std::array<uint64_t, kSectionCount> counts_ = {};
};

}  // namespace quire
