// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/seam_table.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "format/rounding.h"

namespace quire {

FileRange WholeKernelPages(uint64_t begin, uint64_t end, bool is_end) {
  return {.begin = AlignUp(begin, kKernelPageBytes), .end = is_end ? end : AlignDown(end, kKernelPageBytes)};
}

SeamTable::SeamTable(uint64_t pages)
    : sets_(std::clamp<uint64_t>(CeilDiv(pages, kSetSeams), 1, kMaxSeams / kSetSeams)),
      seams_(sets_ * kSetSeams),
      bytes_(seams_.size() * kKernelPageBytes) {}

size_t SeamTable::Add(NodeNumber node, uint64_t file_offset, std::span<const std::byte> bytes, size_t page_bytes,
                      std::span<std::byte, kKernelPageBytes> seam) {
  const auto begin = static_cast<uint16_t>(file_offset % kKernelPageBytes);
  const auto end = static_cast<uint16_t>(begin + bytes.size());
  assert(end <= page_bytes && page_bytes <= kKernelPageBytes);
  const MutexLock lock(mutex_);
  const size_t at = FindOrReplace(node, file_offset / kKernelPageBytes);
  Seam& kept = seams_[at];
  std::byte* const page = &bytes_[at * kKernelPageBytes];
  std::memcpy(page + begin, bytes.data(), bytes.size());
  const bool joins = begin <= kept.end && kept.begin <= end;
  kept.begin = joins ? std::min(kept.begin, begin) : begin;
  kept.end = joins ? std::max(kept.end, end) : end;
  if (kept.begin > 0 || kept.end < page_bytes) return 0;
  std::memcpy(seam.data(), page, page_bytes);
  kept = {};
  return page_bytes;
}

// A seam of which nothing is kept is none, whatever node it names. Sets are chosen by the golden ratio (Knuth, The Art
// of Computer Programming 3, 6.4): neighbours land far from each other.
size_t SeamTable::FindOrReplace(NodeNumber node, uint64_t kernel_page) {
  const size_t first = ((node + kernel_page) * 0x9E37'79B9'7F4A'7C15 >> 32) % sets_ * kSetSeams;
  const auto set = std::span(seams_).subspan(first, kSetSeams);
  const auto found = std::ranges::find_if(set, [&](const Seam& kept) {
    return kept.node == node && kept.kernel_page == kernel_page && kept.begin < kept.end;
  });
  if (found != set.end()) return first + static_cast<size_t>(found - set.begin());
  // One of which nothing is kept has the number 0.
  const auto oldest = std::ranges::min_element(set, {}, &Seam::number);
  *oldest = {.node = node, .kernel_page = kernel_page, .number = ++kept_};
  return first + static_cast<size_t>(oldest - set.begin());
}

}  // namespace quire
