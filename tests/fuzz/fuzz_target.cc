// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "tests/support/memory_tree.h"

namespace quire {

void Require(bool is_true, std::string_view what) {
  if (is_true) return;
  fmt::print(stderr, "fault: not so: {}\n", what);
  std::abort();
}

std::vector<InputLayer> LayersOf(std::span<const std::byte> input) {
  std::vector<InputLayer> layers;
  size_t begin = kSlotsBytes;
  const auto add = [&](const Superblock& superblock) {
    if (superblock.index_bytes > input.size() - begin) return false;
    layers.push_back({.superblock = superblock, .begin = begin});
    begin += superblock.index_bytes;
    return true;
  };
  if (input.size() < kSlotsBytes) return layers;
  const auto chosen = ChooseSuperblock(input.first(kSlotsBytes));
  if (!chosen || !add(chosen->superblock)) return layers;
  const Superblock& top = chosen->superblock;
  for (uint64_t i = 0; i < top.records(Section::kLayers); ++i) {
    const size_t at = kSlotsBytes + top.section(Section::kLayers).offset + i * kLayerBytes;
    const auto below = DecodeLayer(input.subspan(at, kLayerBytes));
    if (!below || !add(*below)) break;
  }
  return layers;
}

std::optional<InputPack> OpenInput(std::span<const std::byte> input) {
  const auto layers = LayersOf(input);
  if (layers.empty()) return std::nullopt;
  const Superblock& top = layers.front().superblock;
  auto index = Index::Open(top, [=](uint64_t at, std::span<std::byte> into) -> Result<void> {
    for (const auto& [superblock, begin] : layers) {
      const uint64_t within = at - superblock.index_offset;
      if (at < superblock.index_offset || within >= superblock.index_bytes) continue;
      Require(into.size() <= superblock.index_bytes - within, "reads stay inside of the index");
      std::ranges::copy(input.subspan(begin + within, into.size()), into.begin());
      return {};
    }
    Require(top.has_layers_below(), "reads stay inside of the index");
    return Corrupt("a layer that the input does not hold");
  });
  if (!index) return std::nullopt;
  const InputLayer& last = layers.back();
  return InputPack{.index = std::move(*index), .trailing = input.subspan(last.begin + last.superblock.index_bytes)};
}

std::unique_ptr<Pack> OpenInputAsFile(std::span<const std::byte> input) {
  static const File file(memfd_create("input", MFD_CLOEXEC));
  if (ftruncate(file.fd(), 0) != 0) DieOf({ErrorCode::kSystem, errno, "ftruncate of a file in memory"});
  ExpandInput(input, file);
  auto pack = Pack::Open(fmt::format("/proc/self/fd/{}", file.fd()));
  return pack ? std::move(*pack) : nullptr;
}

void ExpandInput(std::span<const std::byte> input, const File& file) {
  OkOrDie(file.WriteAll(0, input.first(std::min(input.size(), kSlotsBytes))));
  for (const auto& [superblock, begin] : LayersOf(input))
    OkOrDie(file.WriteAll(superblock.index_offset, input.subspan(begin, superblock.index_bytes)));
}

}  // namespace quire
