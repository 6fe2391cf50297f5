// SPDX-License-Identifier: Apache-2.0
#include "format/pack/block_runs.h"

#include <algorithm>
#include <cassert>

namespace quire {

uint64_t BlockRuns::Extend(uint64_t block, const std::function<bool(uint64_t)>& is_loaded) {
  assert(block < block_count_);
  Run* continued = nullptr;
  for (Run& run : runs_) {
    // What is in memory already needs no read, and does not end the run.
    for (uint64_t skipped = 0; skipped < kMaxBlocks && run.next < block_count_ && is_loaded(run.next); ++skipped)
      ++run.next;
    if (run.next == block) continued = &run;
    // Another thread reads it just now, or it was read and is damaged: one block, and no run of its own.
    if (run.begin <= block && block < run.next) return 1;
  }
  if (continued == nullptr) {
    continued = &*std::ranges::min_element(runs_, {}, &Run::used_at);
    *continued = {};
  }
  const uint64_t most = continued->read_blocks < kProofBlocks ? 1 : std::min(continued->read_blocks, kMaxBlocks);
  const uint64_t end = std::min(block + most, block_count_);
  uint64_t next = block + 1;
  while (next < end && !is_loaded(next)) ++next;
  *continued = {
      .begin = block, .next = next, .read_blocks = continued->read_blocks + (next - block), .used_at = ++clock_};
  return next - block;
}

}  // namespace quire
