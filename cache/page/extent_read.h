// SPDX-License-Identifier: Apache-2.0
// A read of one extent, from the one who asks to the one who answers, and queues of such reads.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "cache/cache_stats.h"
#include "cache/linked_queue.h"
#include "cache/read_times.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

class PageCache;

// The verified bytes of one extent, which stay where they are while this lives. Move-only. Any thread may let it go.
class ExtentPin {
 public:
  ExtentPin() = default;
  ExtentPin(ExtentPin&& other) noexcept
      : cache_(std::exchange(other.cache_, nullptr)), slot_(other.slot_), bytes_(other.bytes_) {}
  ExtentPin& operator=(ExtentPin&& other) noexcept {
    std::swap(cache_, other.cache_);
    std::swap(slot_, other.slot_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  inline ~ExtentPin();  // page_cache.h
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  friend class PageCache;
  ExtentPin(PageCache* cache, uint32_t slot, std::span<const std::byte> bytes)
      : cache_(cache), slot_(slot), bytes_(bytes) {}

  PageCache* cache_ = nullptr;
  uint32_t slot_ = 0;
  std::span<const std::byte> bytes_;
};

// A read of an extent that may have to wait. The caller owns it and keeps it in place until `done` was called.
struct ExtentRead {
  Extent extent;
  ExtentNumber number = 0;
  uint32_t wanted_bytes = 0;  // of the extent's bytes, those that the reader will use: for the counters
  bool is_alone = false;      // nothing else is wanted of its page: where it is not in memory it is read by itself
  // Called once, without a lock held; must not throw; may begin other reads.
  void (*done)(ExtentRead& read, Result<ExtentPin> pin) = nullptr;
  ReadTimes times = {};  // where it waited: the cache adds to it

  // The cache owns these while the read is in flight.
  ExtentRead* next = nullptr;
  uint64_t page = 0;
  uint32_t slot = 0;  // where the answer is, pinned
  std::span<const std::byte> bytes;
  uint64_t asked_ns = 0;  // when it began to wait
  bool is_counted = false;
  Counter counted_as = Counter::kHits;  // where is_counted: how the read was served
  bool is_wrong_in_page = false;        // what its page holds of it does not match its sum: to be read alone
};

using ExtentReadQueue = LinkedQueue<ExtentRead>;

}  // namespace quire
