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

std::optional<InputPack> OpenInput(std::span<const std::byte> input) {
  if (input.size() < kSlotsBytes) return std::nullopt;
  const auto chosen = ChooseSuperblock(input.first(kSlotsBytes));
  if (!chosen || chosen->superblock.index_bytes > input.size() - kSlotsBytes) return std::nullopt;
  const auto index_bytes = input.subspan(kSlotsBytes, chosen->superblock.index_bytes);
  const uint64_t begin = chosen->superblock.index_offset;
  const bool has_layers_below = chosen->superblock.has_layers_below();  // which the input does not hold
  auto index = Index::Open(chosen->superblock, [=](uint64_t at, std::span<std::byte> into) -> Result<void> {
    at -= begin;
    const bool is_inside = at <= index_bytes.size() && into.size() <= index_bytes.size() - at;
    if (has_layers_below && !is_inside) return Corrupt("a layer that is not there");
    Require(is_inside, "reads stay inside of the index");
    std::ranges::copy(index_bytes.subspan(at, into.size()), into.begin());
    return {};
  });
  if (!index) return std::nullopt;
  return InputPack{.index = std::move(*index), .trailing = input.subspan(kSlotsBytes + index_bytes.size())};
}

std::unique_ptr<Pack> OpenInputAsFile(std::span<const std::byte> input) {
  static const File file(memfd_create("input", MFD_CLOEXEC));
  if (ftruncate(file.fd(), 0) != 0) DieOf({ErrorCode::kSystem, errno, "ftruncate of a file in memory"});
  ExpandInput(input, file);
  auto pack = Pack::Open(fmt::format("/proc/self/fd/{}", file.fd()));
  return pack ? std::move(*pack) : nullptr;
}

void ExpandInput(std::span<const std::byte> input, const File& file) {
  const auto slots = input.first(std::min(input.size(), kSlotsBytes));
  OkOrDie(file.WriteAll(0, slots));
  if (const auto chosen = ChooseSuperblock(slots))
    OkOrDie(file.WriteAll(chosen->superblock.index_offset, input.subspan(slots.size())));
}

}  // namespace quire
