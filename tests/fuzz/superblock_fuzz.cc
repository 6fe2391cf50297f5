// SPDX-License-Identifier: Apache-2.0
// Goal: whatever the first 8 KiB of a file are, what a reader takes from them contradicts FORMAT.md nowhere.
#include <algorithm>
#include <array>

#include "format/pack/block_tree.h"
#include "format/pack/superblock.h"
#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

void CheckFields(const Superblock& superblock) {
  Require(superblock.generation >= 1, "generations count from 1");
  Require(superblock.index_offset >= kDataBegin && superblock.index_offset <= superblock.pack_bytes,
          "the index lies behind the superblocks and in the pack");
  Require(superblock.pack_bytes - superblock.index_offset == superblock.index_bytes, "the index ends with the pack");
  Require(BlockTreeGeometry(superblock.body_bytes).total_bytes == superblock.index_bytes,
          "the sum tree ends the index");
  for (size_t i = 0; i < kSectionCount; ++i) {
    const SectionRange& range = superblock.sections[i];
    Require(range.offset <= superblock.body_bytes && range.bytes <= superblock.body_bytes - range.offset,
            "each section lies in the body");
    Require(range.bytes % kRecordBytes[i] == 0, "each section has whole records");
  }
  if (superblock.has_layers_below()) return;  // whose nodes are counted as well
  const uint64_t nodes = superblock.records(Section::kNodes);
  Require(superblock.samples <= nodes && superblock.symlinks <= nodes && superblock.hard_links <= nodes,
          "no count is more than the nodes");
}

// As this release writes them; a pack may have them in another order, or lack some.
bool AreInOrder(std::span<const SectionRange> sections) {
  uint64_t end = 0;
  for (const SectionRange& range : sections) {
    if (range.offset < end) return false;
    end = range.offset + range.bytes;
  }
  return true;
}

void Use(std::span<const std::byte> slots) {
  const auto chosen = ChooseSuperblock(slots);
  if (!chosen) {
    Require(!chosen.error().message.empty(), "a refusal says why");
    return;
  }
  CheckFields(chosen->superblock);
  if (!AreInOrder(chosen->superblock.sections)) return;
  std::array<std::byte, kSuperblockBytes> slot;
  EncodeSuperblock(chosen->superblock, slot);
  const auto again = DecodeSuperblock(slot);
  Require(again && *again == chosen->superblock, "a superblock that was written again is the same");
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span input(reinterpret_cast<const std::byte*>(data), size);
  quire::Use(input.first(std::min(size, quire::kSlotsBytes)));
  // A slot that was cut off, at each length that input may have.
  static_cast<void>(quire::DecodeSuperblock(input));
  return 0;
}
