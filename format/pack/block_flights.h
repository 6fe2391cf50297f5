// SPDX-License-Identifier: Apache-2.0
// The reads of index blocks from far away that are under way, or have come and were not used yet: who needs a block
// finds the read that brings it, so that no block is asked for twice, and blocks are asked for ahead of need.
// Not thread-safe; nothing here waits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "format/pack/block_runs.h"
#include "format/pack/pending_read.h"

namespace quire {

// Some blocks of one level of the tree, in one read.
struct BlockFlight {
  size_t level = 0;
  uint64_t begin = 0;  // blocks [begin, end)
  uint64_t end = 0;
  std::shared_ptr<PendingRead> read;
};

class BlockFlights {
 public:
  // Flights ahead of need, of all runs: 12 MiB of memory at most. They leave 4 of the 16 requests that a server gets at
  // once at first (RequestWindow::kFirst) to those who wait.
  static constexpr size_t kMaxAhead = 12;

  // Begins a read of blocks [begin, end) of a level; null where that cannot be.
  using Start = std::function<std::shared_ptr<PendingRead>(size_t level, uint64_t begin, uint64_t end)>;

  explicit BlockFlights(Start start) : start_(std::move(start)) {}

  // The one that brings the block, or null. Valid until the next call.
  [[nodiscard]] const BlockFlight* Find(size_t level, uint64_t block) const;
  // Begins one that somebody waits for, and returns it; null where that cannot be. Valid until the next call.
  const BlockFlight* Begin(size_t level, uint64_t begin, uint64_t end);
  // Begins those for which there is room, of body blocks [begin, end), in pieces of `piece` blocks. Returns where it
  // stopped.
  uint64_t BeginAhead(uint64_t begin, uint64_t end, uint64_t piece);
  // Forgets one whose bytes were used, or are of no use.
  void Forget(const std::shared_ptr<PendingRead>& read);

 private:
  // Flights that were begun after one that nobody has used before that one gives way: four windows of a run.
  static constexpr uint64_t kMaxAge = 16;

  struct Entry {
    BlockFlight flight;
    bool is_ahead = false;
    uint64_t begun_at = 0;
  };
  // Whether there is room for one more ahead of need, for which the oldest that nobody has used may give way.
  bool MakeRoom();

  const Start start_;
  uint64_t clock_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace quire
