// SPDX-License-Identifier: Apache-2.0
// What the cache did, counted once and in one place each. Counting costs an uncontended addition: every thread has a
// block of counters of its own, which a snapshot adds up. Readable at any time; the sum of counters that are read while
// others move is a little of both moments.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cache/thread_block.h"

namespace quire {

enum class Counter : uint8_t {
  // A read: one piece of one extent asked for. Every read is exactly one of hit, joined, fill and bypass.
  kHits,         // answered from memory at once
  kJoined,       // waited for a fill or a bypass that had begun for another read, or for readahead
  kFillMisses,   // began the fill of a page
  kBypasses,     // began the read of an extent alone
  kHitBytes,     // asked for by hits
  kMissedBytes,  // of the extents that fill misses and bypasses were about: samples' bytes that were not resident

  kFilledPages,       // filled whole and kept, prefetched ones included
  kVolumeBytes,       // read from the volume, all that came
  kVolumeReads,       // reads that the engine completed
  kPrefetchedPages,   // fills that readahead began
  kPrefetchedUsed,    // of these: read by somebody later
  kPrefetchedWasted,  // of these: gone before anyone read them
  kSweptPages,        // fills of pages that nobody had asked for, of a volume that is read as a whole
  kEvictedPages,
  kVerifyFailures,  // sums of pages and extents that did not match
  kReadErrors,      // reads of the volume that failed or ended early
  kParked,          // reads that had to wait for memory, whatever else they were
  kCount
};
inline constexpr size_t kCounters = static_cast<size_t>(Counter::kCount);

// As users see them, in JSON and in the documents: "hits", "joined", ...
const char* NameOf(Counter counter);

// Bucket i counts what took [2^i, 2^(i+1)) microseconds; the first holds what is shorter too, the last what is longer.
inline constexpr size_t kLatencyBuckets = 24;
size_t LatencyBucket(uint64_t latency_ns);

struct CacheStats {
  std::array<uint64_t, kCounters> counters = {};
  std::array<uint64_t, kLatencyBuckets> fill_latency_us = {};  // from submission to the last byte
  uint64_t fill_total_ns = 0;                                  // of these
  // The state when they were asked for.
  uint64_t slots = 0;  // that have memory
  uint64_t resident_pages = 0;
  uint64_t ns_per_byte_x1000 = 0;  // what the cost model believes
  uint64_t ns_per_request = 0;

  [[nodiscard]] uint64_t operator[](Counter counter) const { return counters[static_cast<size_t>(counter)]; }
  [[nodiscard]] uint64_t reads() const;
};

// Any thread may count, and takes no lock.
class CacheCounters {
 public:
  void Add(Counter counter, uint64_t amount = 1) {
    blocks_[ThreadBlock()].counters[static_cast<size_t>(counter)].fetch_add(amount, std::memory_order_relaxed);
  }
  void AddFillLatency(uint64_t latency_ns);

  // Fills in `counters`, `fill_latency_us` and `fill_total_ns`.
  void Sum(CacheStats& stats) const;

 private:
  struct alignas(kThreadBlockAlign) Block {
    std::array<std::atomic<uint64_t>, kCounters> counters = {};
  };
  std::array<Block, kThreadBlocks> blocks_;
  std::array<std::atomic<uint64_t>, kLatencyBuckets> fill_latency_us_ = {};
  std::atomic<uint64_t> fill_total_ns_ = 0;
};

}  // namespace quire
