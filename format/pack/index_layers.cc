// SPDX-License-Identifier: Apache-2.0
#include "format/pack/index_layers.h"

#include <algorithm>
#include <utility>

#include "format/coding.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr size_t At(Section section) { return static_cast<size_t>(section); }

Result<std::unique_ptr<BlockTree>> OpenBlocks(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                              const BlockTree::FarReads& far) {
  const uint64_t begin = superblock.index_offset;
  BlockTree::FarReads own;
  if (far.start_at != nullptr)
    own.start_at = [start_at = far.start_at, begin](uint64_t at, uint64_t bytes) {
      return start_at(begin + at, bytes);
    };
  if (far.distrust != nullptr)
    own.distrust = [distrust = far.distrust, begin](uint64_t at, uint64_t bytes) { distrust(begin + at, bytes); };
  return BlockTree::Create(
      superblock.body_bytes, superblock.root_sum,
      [read_at, begin](uint64_t at, std::span<std::byte> into) { return read_at(begin + at, into); }, std::move(own));
}

// The superblocks of the layers below that of `top`, the newest first.
Result<std::vector<Superblock>> ReadLayers(const Superblock& top, const BlockTree& blocks) {
  std::vector<Superblock> below;
  const Superblock* above = &top;
  below.reserve(kMaxLayers);
  for (uint64_t i = 0; i < top.records(Section::kLayers); ++i) {
    const auto record = blocks.Touch(top.section(Section::kLayers).offset + i * kLayerBytes, kLayerBytes);
    if (!record) return std::unexpected(record.error());
    auto layer = DecodeLayer(*record);
    if (!layer) return MakeError(layer.error().code, "layer {} below: {}", i + 1, layer.error().message);
    if (layer->generation >= above->generation || layer->pack_bytes > above->index_offset)
      return Corrupt("layer {} below: generation {}, which ends at {}, does not lie before generation {}", i + 1,
                     layer->generation, layer->pack_bytes, above->generation);
    if (const uint64_t left = top.records(Section::kLayers) - 1 - i; layer->records(Section::kLayers) != left)
      return Corrupt("layer {} below: says that {} are below it, {} are", i + 1, layer->records(Section::kLayers),
                     left);
    below.push_back(*layer);
    above = &below.back();
  }
  return below;
}

}  // namespace

Result<std::unique_ptr<IndexLayers>> IndexLayers::Open(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                                       const BlockTree::FarReads& far, const IndexLayers* others) {
  auto blocks = OpenBlocks(superblock, read_at, far);
  if (!blocks) return Propagate(std::move(blocks));
  auto below = ReadLayers(superblock, **blocks);
  if (!below) return Propagate(std::move(below));
  auto layers = std::unique_ptr<IndexLayers>(new IndexLayers());
  layers->layers_.reserve(below->size() + 1);
  for (size_t i = below->size(); i-- > 0;) {
    const Superblock& layer = (*below)[i];
    std::shared_ptr<BlockTree> shared = others == nullptr ? nullptr : others->FindBlocks(layer);
    if (shared == nullptr) {
      auto own = OpenBlocks(layer, read_at, far);
      if (!own) return Propagate(std::move(own));
      shared = *std::move(own);
    }
    if (auto added = layers->Add(layer, std::move(shared)); !added) return Propagate(std::move(added));
  }
  if (auto added = layers->Add(superblock, *std::move(blocks)); !added) return Propagate(std::move(added));
  return layers;
}

Result<void> IndexLayers::Add(const Superblock& superblock, std::shared_ptr<BlockTree> blocks) {
  IndexLayer layer{.superblock = superblock, .blocks = std::move(blocks)};
  for (size_t i = 0; i < kSectionCount; ++i) {
    const auto section = static_cast<Section>(i);
    if (IsContinued(section)) layer.first[i] = counts_[i];
    counts_[i] = layer.first[i] + superblock.records(section);
    if (counts_[i] > kMaxRecords)
      return Corrupt("layer of generation {}: with it there are more than {} records", superblock.generation,
                     kMaxRecords);
  }
  if (counts_[At(Section::kDictionaries)] > kMaxDictionaries)
    return Corrupt("layer of generation {}: {} dictionaries, at most {} are possible", superblock.generation,
                   counts_[At(Section::kDictionaries)], kMaxDictionaries);
  if (auto counts = CheckCounts(superblock, count(Section::kNodes), count(Section::kExtents)); !counts) return counts;
  layers_.push_back(std::move(layer));
  newest_ = &layers_.back();
  return {};
}

const Superblock* IndexLayers::FindGeneration(uint64_t generation) const {
  for (const IndexLayer& layer : layers_)
    if (layer.superblock.generation == generation) return &layer.superblock;
  return nullptr;
}

std::shared_ptr<BlockTree> IndexLayers::FindBlocks(const Superblock& superblock) const {
  const auto found = std::ranges::find(layers_, superblock, &IndexLayer::superblock);
  return found == layers_.end() ? nullptr : found->blocks;
}

bool IndexLayers::Extends(const IndexLayers& older) const {
  return size() > older.size() && std::ranges::equal(older.layers_, std::span(layers_).first(older.size()), {},
                                                     &IndexLayer::superblock, &IndexLayer::superblock);
}

const IndexLayer& IndexLayers::FindBelow(Section section, uint64_t number) const {
  const auto behind = std::ranges::upper_bound(layers_, number, {},
                                               [section](const IndexLayer& layer) { return layer.first[At(section)]; });
  return *std::prev(behind);
}

Result<std::span<const std::byte>> IndexLayers::GetHeap(Section section, uint64_t offset, uint64_t bytes,
                                                        const char* what) const {
  const uint64_t total = count(section);
  if (offset > total || bytes > total - offset)
    return Corrupt("{}: {} bytes at {} lie outside of their section of {}", what, bytes, offset, total);
  if (bytes == 0) return std::span<const std::byte>();
  const IndexLayer& layer = Find(section, offset);
  if (bytes > layer.end(section) - offset) return Corrupt("{}: {} bytes at {} lie in two layers", what, bytes, offset);
  return layer.blocks->Touch(layer.OffsetOf(section, offset), bytes);
}

Result<std::optional<Node>> IndexLayers::FindReplacedAbove(NodeNumber number, size_t layers) const {
  for (size_t above = std::min(layers, layers_.size()); above > 0; --above) {
    const IndexLayer& layer = layers_[above - 1];
    if (number >= layer.first_node()) break;
    auto found = FindReplacedIn(layer, number);
    if (!found || *found) return found;
  }
  return std::nullopt;
}

Result<std::optional<Node>> IndexLayers::FindReplacedIn(const IndexLayer& layer, NodeNumber number) const {
  uint64_t low = 0;
  uint64_t high = layer.superblock.records(Section::kReplaced);
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const auto record =
        layer.blocks->Touch(layer.OffsetOf(Section::kReplaced, middle), kRecordBytes[At(Section::kReplaced)]);
    if (!record) return std::unexpected(record.error());
    const ReplacedNode replaced = DecodeReplacedNode(*record);
    if (replaced.number == number) return replaced.node;
    if (replaced.number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return std::nullopt;
}

void IndexLayers::Expect(Section section, uint64_t number) const {
  if (number >= count(section)) return;
  const IndexLayer& layer = Find(section, number);
  layer.blocks->Expect(layer.OffsetOf(section, number));
}

uint64_t IndexLayers::BehindBlock(Section section, uint64_t number) const {
  const uint64_t bytes = kRecordBytes[At(section)];
  const IndexLayer& layer = Find(section, number);
  const uint64_t begin = layer.superblock.section(section).offset;
  const uint64_t last_byte = layer.OffsetOf(section, number) + bytes - 1;
  const uint64_t next = CeilDiv((last_byte / kBlockBytes + 1) * kBlockBytes - begin, bytes);
  return std::min(layer.first[At(section)] + next, layer.end(section));
}

std::optional<uint64_t> IndexLayers::BeforeBlock(Section section, uint64_t number) const {
  const uint64_t bytes = kRecordBytes[At(section)];
  const IndexLayer& layer = Find(section, number);
  const uint64_t begin = layer.superblock.section(section).offset;
  const uint64_t first_block = AlignDown(layer.OffsetOf(section, number), kBlockBytes);
  const uint64_t first = layer.first[At(section)];
  if (first_block >= begin + bytes) return first + (first_block - begin) / bytes - 1;
  return first == 0 ? std::nullopt : std::optional(first - 1);
}

}  // namespace quire
