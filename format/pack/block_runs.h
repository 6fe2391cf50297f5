// SPDX-License-Identifier: Apache-2.0
// Which blocks of an index are read in order, and so how many to read at once. Nodes are numbered breadth first and
// names stand in the order of their nodes, so that a walk of a tree goes through each of both in order, once for each
// depth. A look-up goes through nothing in order, and gets the one block that it asks for.
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "format/pack/geometry.h"

namespace quire {

class BlockRuns {
 public:
  // Blocks in one read: 1 MiB, which a disk of 2 GB/s needs 0.5 ms for, several times what it needs to begin.
  static constexpr uint64_t kMaxBlocks = (1 << 20) / kBlockBytes;
  // Blocks that came one by one before more than one is read at once. One is not enough: the two ends of a binary
  // search are neighbours, and so are the two blocks that hold halves of a name.
  static constexpr uint64_t kProofBlocks = 2;

  // Blocks that are asked for ahead of need in one run, where they lie far away: 4 MiB, which is 80 MB/s at round trips
  // of 50 ms.
  static constexpr uint64_t kMaxAheadBlocks = 4 * kMaxBlocks;

  explicit BlockRuns(uint64_t block_count) : block_count_(block_count) {}

  // How many blocks to read from `block` on, none of which is loaded. More than one only where `block` goes on a run,
  // and never more than were read of that run before: one that ends after N blocks has read 2 N at most.
  // One where another thread has loaded it since the caller looked. `coming`: the number of blocks from `block` on that
  // a read ahead brings, which is the answer unless it is 0. REQUIRES: block < the count.
  uint64_t Extend(uint64_t block, const std::function<bool(uint64_t)>& is_loaded, uint64_t coming = 0);

  // Begins to read blocks [begin, end) in pieces of `piece`, or fewer of them, and returns where it stopped.
  using BeginAhead = std::function<uint64_t(uint64_t begin, uint64_t end, uint64_t piece)>;
  // Where `next` is the block behind those of a run that Extend told: asks for what comes after, as far ahead as half
  // of what was read of it. With that a run that ends after N blocks has read 3 N at most.
  void ExtendAhead(uint64_t next, const std::function<bool(uint64_t)>& is_loaded, const BeginAhead& begin_ahead);

 private:
  // [begin, next) was read last, and perhaps is being read; `read_blocks` counts all of the run.
  struct Run {
    uint64_t begin = 0;
    uint64_t next = 0;
    uint64_t ahead_end = 0;  // [next, ahead_end) was asked for ahead of need
    uint64_t read_blocks = 0;
    uint64_t used_at = 0;
  };
  // Four walkers at once, of trees that are two levels deep below their root: nodes and names of both.
  static constexpr size_t kRuns = 16;

  const uint64_t block_count_;
  uint64_t clock_ = 0;
  std::array<Run, kRuns> runs_ = {};
};

}  // namespace quire
