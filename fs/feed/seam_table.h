// SPDX-License-Identifier: Apache-2.0
// Seams: pages of the kernel's in which one piece of a sample ends and the next one begins. In an archive that is used
// as it is, a sample that crosses a page of the cache has one, since members begin anywhere. The kernel takes a page as
// a whole or not at all, and the two pieces come into memory at different times: what came first is kept here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/zeroed_array.h"
#include "fs/feed/kernel_view.h"

namespace quire {

struct FileRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  [[nodiscard]] bool is_empty() const { return begin >= end; }
};

// The pages of the kernel's that bytes [begin, end) of a file hold as a whole; where the file ends there (`is_end`),
// its last page is one of them. Empty: `begin` may lie behind `end`.
FileRange WholeKernelPages(uint64_t begin, uint64_t end, bool is_end);

// Thread-safe. Samples that are read in random order bring the pages of the cache in random order too: half of all
// seams wait then at the worst moment. So there is room for one a page, and for kMaxSeams at most. Of more, the oldest
// are given up: such a seam is read from the volume when the kernel asks for it. Memory is used as seams are kept, 16
// MiB at most; nothing is allocated after construction.
class SeamTable {
 public:
  static constexpr size_t kMaxSeams = 4096;

  // `pages`: of the cache.
  explicit SeamTable(uint64_t pages);

  // Adds bytes that lie at `file_offset` of the node to their seam. If that is whole now, it is moved to the begin of
  // `seam`, and its length is returned; else 0. REQUIRES: they lie in one page of the kernel's, of which `page_bytes`
  // lie inside the file.
  size_t Add(NodeNumber node, uint64_t file_offset, std::span<const std::byte> bytes, size_t page_bytes,
             std::span<std::byte, kKernelPageBytes> seam);

 private:
  // Bytes [begin, end) of the page are there: none where these are equal.
  struct Seam {
    NodeNumber node = 0;
    uint64_t kernel_page = 0;  // of the file
    uint16_t begin = 0;
    uint16_t end = 0;
    uint64_t number = 0;  // the later it was kept the greater
  };

  // A seam lies in one of few places, which are a set.
  static constexpr size_t kSetSeams = 8;

  size_t FindOrReplace(NodeNumber node, uint64_t kernel_page) QUIRE_REQUIRES(mutex_);

  const size_t sets_;
  Mutex mutex_;
  std::vector<Seam> seams_ QUIRE_GUARDED_BY(mutex_);
  uint64_t kept_ QUIRE_GUARDED_BY(mutex_) = 0;
  ZeroedArray<std::byte> bytes_ QUIRE_GUARDED_BY(mutex_);  // kKernelPageBytes a seam
};

}  // namespace quire
