// SPDX-License-Identifier: Apache-2.0
// How libFuzzer changes an input: one part of the pack at a time, after which the sums are good again, so that what was
// changed is read at all.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/forged_pack.h"
#include "tests/support/pack_mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace quire {
namespace {

// Where these stand in a slot: FORMAT.md.
constexpr size_t kIndexOffsetAt = 32;
constexpr size_t kRootSumAt = 56;
constexpr size_t kPackBytesAt = 64;
constexpr size_t kUsedSlotBytes = 192 + kSectionCount * 32;
constexpr size_t kSumAt = kSuperblockBytes - 8;

// REQUIRES: `input` has both slots.
std::span<std::byte> Slot(std::span<std::byte> input, size_t number) {
  return input.subspan(number * kSuperblockBytes, kSuperblockBytes);
}

void RepairSlotSums(std::span<std::byte> input) {
  for (const size_t number : {0, 1}) {
    const auto slot = Slot(input, number);
    if (std::ranges::all_of(slot, [](std::byte byte) { return byte == std::byte{0}; })) continue;
    StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
  }
}

// Of the layers below first: the newest has the sums of their roots.
void RepairSums(std::span<std::byte> input) {
  RepairSlotSums(input);
  const auto layers = LayersOf(input);
  for (size_t i = layers.size(); i-- > 0;) {
    const auto& [superblock, begin] = layers[i];
    const uint64_t root_sum = RepairSumTree(input.subspan(begin, superblock.index_bytes), superblock.body_bytes);
    const Superblock& top = layers[0].superblock;
    const size_t told_at = i == 0 ? SuperblockOffset(top.generation)
                                  : kSlotsBytes + top.section(Section::kLayers).offset + (i - 1) * kLayerBytes;
    StoreUint<8>(input, told_at + kRootSumAt, root_sum);
  }
  RepairSlotSums(input);
}

// As libFuzzer does; what it made shorter keeps its end.
void MutatePiece(std::span<std::byte> piece) {
  if (!piece.empty()) LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(piece.data()), piece.size(), piece.size());
}

// Fields of records. ForgedPack wants the index where the superblock says: right behind the slots, meanwhile.
void MutateFields(std::span<std::byte> input, std::minstd_rand& random) {
  const auto layers = LayersOf(input);
  if (layers.empty()) return;
  const Superblock& superblock = layers[0].superblock;
  const auto slot = input.subspan(SuperblockOffset(superblock.generation), kSuperblockBytes);
  StoreUint<8>(slot, kIndexOffsetAt, kSlotsBytes);
  StoreUint<8>(slot, kPackBytesAt, kSlotsBytes + superblock.index_bytes);
  StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
  ForgedPack pack(std::string(AsText(input)));
  std::mt19937_64 numbers(random());
  Mutate(pack, numbers);
  std::ranges::copy(AsBytes(pack.Bytes()), input.begin());
  StoreUint<8>(slot, kIndexOffsetAt, superblock.index_offset);
  StoreUint<8>(slot, kPackBytesAt, superblock.pack_bytes);
}

// A section, which few mutations hit where others are larger.
void MutateSection(std::span<std::byte> input, std::minstd_rand& random) {
  const auto layers = LayersOf(input);
  if (layers.empty()) return;
  const auto& [superblock, begin] = layers[random() % layers.size()];
  const SectionRange& range = superblock.sections[random() % kSectionCount];
  MutatePiece(input.subspan(begin + range.offset, range.bytes));
}

// What stands behind the layers; the only part that grows. Returns the new size of the input.
size_t MutateTrailing(std::span<std::byte> input, uint8_t* data, size_t max_size) {
  const auto layers = LayersOf(input);
  if (layers.empty()) return input.size();
  const size_t begin = layers.back().begin + layers.back().superblock.index_bytes;
  if (begin >= max_size) return input.size();
  return begin + LLVMFuzzerMutate(data + begin, input.size() - begin, max_size - begin);
}

}  // namespace
}  // namespace quire

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace quire;
  std::minstd_rand random(seed + 1);
  constexpr unsigned kUnrepairedShare = 32;  // damage is worth a look as well
  if (size < kSlotsBytes || random() % kUnrepairedShare == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::span input(reinterpret_cast<std::byte*>(data), size);
  switch (random() % 8) {
    case 0:
      MutatePiece(Slot(input, random() % 2).first(kUsedSlotBytes));
      break;
    case 1:
      MutatePiece(Slot(input, random() % 2));
      break;
    case 2:
      size = MutateTrailing(input, data, max_size);
      break;
    case 3:
    case 4:
      MutateSection(input, random);
      break;
    default:
      MutateFields(input, random);
  }
  RepairSums({reinterpret_cast<std::byte*>(data), size});
  return size;
}
