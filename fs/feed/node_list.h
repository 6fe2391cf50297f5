// SPDX-License-Identifier: Apache-2.0
// Nodes in order, which grow behind and are dropped in front: the places of a plan. A node takes 4 bytes where the pack
// has fewer than 2^32, else 8. The memory comes from the kernel in chunks and goes back to it chunk by chunk, so that a
// long list leaves nothing behind in the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "format/pack/geometry.h"
#include "format/zeroed_array.h"

namespace quire {

// Not thread-safe.
class NodeList {
 public:
  // For nodes below `nodes`.
  explicit NodeList(uint64_t nodes);

  [[nodiscard]] uint64_t size() const { return size_; }
  // Memory that was written to and not given back.
  [[nodiscard]] uint64_t memory_bytes() const { return (skipped_ + size_) * node_bytes_; }

  // REQUIRES: index < size().
  [[nodiscard]] NodeNumber operator[](uint64_t index) const;
  // Throws std::bad_alloc, and the list is as it was. REQUIRES: node < nodes.
  void Append(NodeNumber node);
  // REQUIRES: count <= size().
  void DropFirst(uint64_t count);

 private:
  using Chunk = ZeroedArray<std::byte>;
  // A few hundred for the longest plan, and less than what the cache's smallest slab holds.
  static constexpr size_t kChunkBytes = 256 << 10;

  // The memory of the entry `at`, counted from the first chunk's begin.
  [[nodiscard]] std::byte* EntryAt(uint64_t at) const;

  const size_t node_bytes_;
  const uint64_t chunk_nodes_;
  std::deque<std::unique_ptr<Chunk>> chunks_;
  uint64_t skipped_ = 0;  // entries of the first chunk that were dropped
  uint64_t size_ = 0;
};

}  // namespace quire
