// SPDX-License-Identifier: Apache-2.0
// How libFuzzer changes an input: one part of the pack at a time, after which the sums are good again, so that what was
// changed is read at all.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/block_tree.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/forged_pack.h"
#include "tests/support/pack_mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace quire {
namespace {

// Where these stand in a slot: FORMAT.md.
constexpr size_t kIndexOffsetAt = 32;
constexpr size_t kBodyBytesAt = 40;
constexpr size_t kRootSumAt = 56;
constexpr size_t kPackBytesAt = 64;
constexpr size_t kUsedSlotBytes = 192 + kSectionCount * 32;
constexpr size_t kSumAt = kSuperblockBytes - 8;

// REQUIRES: `input` has both slots.
std::span<std::byte> Slot(std::span<std::byte> input, size_t number) {
  return input.subspan(number * kSuperblockBytes, kSuperblockBytes);
}

void RepairSums(std::span<std::byte> input) {
  const auto index = input.subspan(kSlotsBytes);
  for (const size_t number : {0, 1}) {
    const auto slot = Slot(input, number);
    if (std::ranges::all_of(slot, [](std::byte byte) { return byte == std::byte{0}; })) continue;
    const uint64_t body_bytes = LoadUint<8>(slot, kBodyBytesAt);
    if (body_bytes > 0 && body_bytes <= index.size() && BlockTreeGeometry(body_bytes).total_bytes <= index.size())
      StoreUint<8>(slot, kRootSumAt, RepairSumTree(index, body_bytes));
    StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
  }
}

// As libFuzzer does; what it made shorter keeps its end.
void MutatePiece(std::span<std::byte> piece) {
  if (!piece.empty()) LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(piece.data()), piece.size(), piece.size());
}

// Fields of records. ForgedPack wants the index where the superblock says: right behind the slots, meanwhile.
void MutateFields(std::span<std::byte> input, std::minstd_rand& random) {
  const auto slot = Slot(input, 0);
  const auto superblock = DecodeSuperblock(slot);
  if (!superblock || superblock->index_bytes > input.size() - kSlotsBytes) return;
  const uint64_t index_offset = LoadUint<8>(slot, kIndexOffsetAt);
  const uint64_t pack_bytes = LoadUint<8>(slot, kPackBytesAt);
  StoreUint<8>(slot, kIndexOffsetAt, kSlotsBytes);
  StoreUint<8>(slot, kPackBytesAt, kSlotsBytes + superblock->index_bytes);
  StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
  ForgedPack pack(std::string(AsText(input)));
  std::mt19937_64 numbers(random());
  Mutate(pack, numbers);
  std::ranges::copy(AsBytes(pack.Bytes()), input.begin());
  StoreUint<8>(slot, kIndexOffsetAt, index_offset);
  StoreUint<8>(slot, kPackBytesAt, pack_bytes);
}

// A section, which few mutations hit where others are larger.
void MutateSection(std::span<std::byte> input, std::minstd_rand& random) {
  const auto superblock = DecodeSuperblock(Slot(input, random() % 2));
  if (!superblock) return;
  const SectionRange& range = superblock->sections[random() % kSectionCount];
  const auto index = input.subspan(kSlotsBytes);
  if (range.offset < index.size())
    MutatePiece(index.subspan(range.offset, std::min(range.bytes, index.size() - range.offset)));
}

// What stands behind the index; the only part that grows. Returns the new size of the input.
size_t MutateTrailing(std::span<std::byte> input, uint8_t* data, size_t max_size) {
  const auto superblock = DecodeSuperblock(Slot(input, 0));
  if (!superblock || superblock->index_bytes > input.size() - kSlotsBytes) return input.size();
  const size_t begin = kSlotsBytes + superblock->index_bytes;
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
