// The seam between the file system (or `quire cat`) and the bytes of samples: everyone who wants sample bytes asks
// here, and gets pinned, verified memory. Today a small LRU of verified extents stands behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/extent_cache.h"
#include "format/pack.h"
#include "format/result.h"

namespace quire {

// Bytes of a sample, valid while `pin` lives.
struct Slice {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> pin;  // empty for holes, which point to static zeros
};

// The capacity for whoever reads each sample once, in order, such as `quire cat`.
inline constexpr size_t kReadOnceCacheBytes = 4 * kPageBytes;

class SampleReader {
 public:
  // `pack` must outlive the reader. `capacity_bytes` bounds the extents kept; those that are pinned come on top.
  SampleReader(const Pack& pack, size_t capacity_bytes) : pack_(pack), extents_(pack, capacity_bytes) {}

  // Bytes [offset, offset + bytes) of `node`, cut at the sample's end, as slices in order. Every byte was checked
  // against its extent's sum. Blocks in I/O. Any thread. REQUIRES: node.is_sample().
  Result<std::vector<Slice>> Read(const Node& node, uint64_t offset, uint64_t bytes);

 private:
  const Pack& pack_;
  ExtentCache extents_;
};

}  // namespace quire
