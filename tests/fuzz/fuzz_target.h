// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of packs share. An input is a pack without its sample bytes, which are zeros: the two
// superblock slots, the index right behind them, where that is a layer those below it, the newest first, and what a
// target needs besides. `fuzz_inputs expand` makes a pack of
// it, for `quire`. A target defines LLVMFuzzerTestOneInput. Built for libFuzzer it is a fuzzer whose mutator makes sums
// good again (pack_mutation.cc), and otherwise a test that goes through a folder of inputs (replay_main.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "format/pack/index.h"
#include "format/pack/pack.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace quire {

// Ends the program where `is_true` is false: the target found a fault. `what`: what should have been so.
void Require(bool is_true, std::string_view what);

inline constexpr size_t kSlotsBytes = 2 * kSuperblockBytes;

// The index of one layer.
struct InputLayer {
  Superblock superblock;
  size_t begin = 0;  // in the input
};

// Those of the generation that a reader chooses, the newest first, as far as they can be told and the input holds
// them. Empty where a reader refuses the superblocks.
std::vector<InputLayer> LayersOf(std::span<const std::byte> input);

struct InputPack {
  std::unique_ptr<Index> index;         // reads from the input, which must outlive it
  std::span<const std::byte> trailing;  // what stands behind the last layer
};

// Empty where a reader refuses the pack, as Pack::Open does.
std::optional<InputPack> OpenInput(std::span<const std::byte> input);

// The same by Pack::Open, of a file in memory; null where it is refused. One at a time.
std::unique_ptr<Pack> OpenInputAsFile(std::span<const std::byte> input);

// Writes the pack that `input` stands for; nothing where it has no superblock.
void ExpandInput(std::span<const std::byte> input, const File& file);

// Most entries that a target looks at, and most steps inside of one: inputs are small, but may name the same thing
// often.
inline constexpr uint64_t kMostEntries = 512;
inline constexpr uint64_t kMostSteps = 64;

}  // namespace quire
