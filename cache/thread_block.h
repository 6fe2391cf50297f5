// SPDX-License-Identifier: Apache-2.0
// Counters that threads share without taking each other's cache lines away: an array of kThreadBlocks blocks of them,
// each aligned to a pair of cache lines, of which every thread uses its own. A snapshot adds them up.
#pragma once

#include <atomic>
#include <cstddef>

namespace quire {

inline constexpr size_t kThreadBlocks = 64;  // threads beyond share, which is slower and as right
inline constexpr size_t kThreadBlockAlign = 128;

// The block of the calling thread.
inline size_t ThreadBlock() {
  static std::atomic<size_t> next_block = 0;
  static thread_local const size_t block = next_block.fetch_add(1, std::memory_order_relaxed) % kThreadBlocks;
  return block;
}

}  // namespace quire
