// SPDX-License-Identifier: Apache-2.0
#include "format/import/beton_allocations.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "format/coding.h"
#include "format/import/beton_records.h"

namespace quire {
namespace {

constexpr uint64_t kEntriesAtOnce = 4096;  // 96 KiB, what a disk wants at a time

}  // namespace

Result<BetonAllocations> BetonAllocations::Read(const File& file, uint64_t begin, uint64_t entries) {
  BetonAllocations table;
  table.sorted_.reserve(entries);
  std::vector<std::byte> piece(std::min(entries, kEntriesAtOnce) * kBetonAllocationBytes);
  for (uint64_t done = 0; done < entries;) {
    const uint64_t count = std::min(entries - done, kEntriesAtOnce);
    const auto bytes = std::span(piece).first(count * kBetonAllocationBytes);
    const auto got = file.ReadUpTo(begin + done * kBetonAllocationBytes, bytes);
    if (!got) return std::unexpected(got.error());
    if (*got < bytes.size()) return MakeError(ErrorCode::kUnreadable, "the file has become shorter");
    for (size_t at = 0; at < bytes.size(); at += kBetonAllocationBytes)
      table.sorted_.push_back({.place = LoadUint<8>(bytes, at + 8), .bytes = LoadUint<8>(bytes, at + 16)});
    done += count;
  }
  std::ranges::sort(table.sorted_, {}, [](const Allocation& one) { return std::pair(one.place, one.bytes); });
  return table;
}

std::optional<uint64_t> BetonAllocations::BytesAt(uint64_t place) const {
  const auto behind = std::ranges::upper_bound(sorted_, place, {}, &Allocation::place);
  if (behind == sorted_.begin() || std::prev(behind)->place != place) return std::nullopt;
  return std::prev(behind)->bytes;
}

}  // namespace quire
