#include "cache/sample_reader.h"

#include <algorithm>
#include <array>
#include <utility>

namespace quire {
namespace {

// What holes point to. A block of the kernel's smallest readahead window; a larger hole points to it repeatedly.
constexpr std::array<std::byte, 128 << 10> kZeros = {};

}  // namespace

Result<std::vector<Slice>> SampleReader::Read(const Node& node, uint64_t offset, uint64_t bytes) {
  std::vector<Slice> slices;
  if (offset >= node.size_bytes) return slices;
  const uint64_t end = offset + std::min(bytes, node.size_bytes - offset);
  while (offset < end) {
    auto run = pack_.index().FindRun(node, offset);
    if (!run) return Propagate(std::move(run));
    uint64_t wanted_bytes = std::min(run->length_bytes, end - offset);
    if (run->extent) {
      auto pin = extents_.Get(*run->extent);
      if (!pin) return Propagate(std::move(pin));
      slices.push_back({(*pin)->span().subspan(run->extent_offset, wanted_bytes), *pin});
    } else {
      wanted_bytes = std::min<uint64_t>(wanted_bytes, kZeros.size());
      slices.push_back({std::span(kZeros).first(wanted_bytes), nullptr});
    }
    offset += wanted_bytes;
  }
  return slices;
}

}  // namespace quire
