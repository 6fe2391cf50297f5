// SPDX-License-Identifier: Apache-2.0
#include "format/pack/block_runs.h"

#include <algorithm>
#include <cassert>

namespace quire {

uint64_t BlockRuns::Extend(uint64_t block, const std::function<bool(uint64_t)>& is_loaded, uint64_t coming) {
  assert(block < block_count_);
  Run* continued = nullptr;
  for (Run& run : runs_) {
    // What is in memory already needs no read, and does not end the run.
    for (uint64_t skipped = 0; skipped < kMaxBlocks && run.next < block_count_ && is_loaded(run.next); ++skipped)
      ++run.next;
    if (run.next == block || (coming > 0 && run.next < block && block < run.ahead_end)) continued = &run;
    // Another thread reads it just now, or it was read and is damaged: one block, and no run of its own.
    if (run.begin <= block && block < run.next) return 1;
  }
  if (continued == nullptr) {
    continued = &*std::ranges::min_element(runs_, {}, &Run::used_at);
    *continued = {};
  }
  const uint64_t most = continued->read_blocks < kProofBlocks ? 1 : std::min(continued->read_blocks, kMaxBlocks);
  const uint64_t end = std::min(block + most, block_count_);
  uint64_t next = block + std::max<uint64_t>(coming, 1);
  while (coming == 0 && next < end && !is_loaded(next)) ++next;
  *continued = {.begin = block,
                .next = next,
                .ahead_end = continued->ahead_end,
                .read_blocks = continued->read_blocks + (next - block),
                .used_at = ++clock_};
  return next - block;
}

void BlockRuns::ExtendAhead(uint64_t next, const std::function<bool(uint64_t)>& is_loaded,
                            const BeginAhead& begin_ahead) {
  const auto run = std::ranges::find(runs_, next, &Run::next);
  if (run == runs_.end() || run->read_blocks <= kProofBlocks) return;
  const uint64_t window = std::min(run->read_blocks / 2, kMaxAheadBlocks);
  const uint64_t end = std::min(next + window, block_count_);
  uint64_t begin = std::max(next, run->ahead_end);
  while (begin < end && is_loaded(begin)) ++begin;
  // Two pieces at least, of which one comes while the other is used.
  run->ahead_end = begin_ahead(begin, end, std::clamp<uint64_t>(window / 2, 1, kMaxBlocks));
}

}  // namespace quire
