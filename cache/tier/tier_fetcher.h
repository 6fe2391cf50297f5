// SPDX-License-Identifier: Apache-2.0
// Brings pages to a tier that nobody has asked for yet, with what those leave of the origin who read: those of a future
// that was told first, in its order, then all others in the order of their volumes. Nothing goes for them: where the
// tier is full, it stays as it is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "cache/byte_rate.h"
#include "cache/tier/tier_source.h"
#include "cache/volume/volume_set.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class TierFetcher {
 public:
  struct Options {
    unsigned threads = 4;      // each fetches a page of 2 MiB at a time, in memory of its own
    uint64_t bytes_per_s = 0;  // not more than that; 0: no limit
    bool fetches_all = false;  // else only what a future holds
    bool stays_behind = true;  // those who read go first
  };
  // `source` must outlive the fetcher.
  TierFetcher(TierSource& source, const Options& options);
  TierFetcher(const TierFetcher&) = delete;
  TierFetcher& operator=(const TierFetcher&) = delete;
  ~TierFetcher();

  Result<void> Start();
  // Replaces what is left of the future before.
  void SetFuture(std::vector<VolumeSet::Page> pages);
  // There are pages by now that were not there before.
  void LookAgain();
  // Whether nothing is left to fetch, or nothing more can be.
  [[nodiscard]] bool IsDone() const;

  [[nodiscard]] uint64_t fetched_bytes() const { return fetched_bytes_.load(std::memory_order_relaxed); }
  // Pages that were looked at, and that could not be had.
  [[nodiscard]] uint64_t pages_done() const { return pages_done_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t pages_failed() const { return pages_failed_.load(std::memory_order_relaxed); }
  // The first one that could not be had.
  [[nodiscard]] std::optional<Error> error() const;
  [[nodiscard]] bool is_full() const { return is_full_.load(std::memory_order_relaxed); }

 private:
  struct Place {
    uint16_t volume = 0;
    uint64_t page = 0;
    std::chrono::steady_clock::time_point is_of_others_since = {};
  };
  void PutBack(Place place) QUIRE_REQUIRES(mutex_);
  void Work(const std::stop_token& stop, unsigned number);
  std::optional<Place> TakeNext() QUIRE_REQUIRES(mutex_);
  [[nodiscard]] bool HasLookedAtAll() const QUIRE_REQUIRES(mutex_) {
    return !options_.fetches_all || next_.volume >= source_.volumes().size();
  }
  // Whether thread `number` may fetch now, beside those who read.
  [[nodiscard]] bool MayFetch(unsigned number) const;

  TierSource& source_;
  const Options options_;
  ByteRate rate_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::optional<Error> error_ QUIRE_GUARDED_BY(mutex_);
  std::deque<Place> future_ QUIRE_GUARDED_BY(mutex_);
  Place next_ QUIRE_GUARDED_BY(mutex_);  // of all, where all are fetched
  unsigned busy_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> fetched_bytes_ = 0;
  std::atomic<uint64_t> pages_done_ = 0;
  std::atomic<uint64_t> pages_failed_ = 0;
  std::atomic<bool> is_full_ = false;
  std::vector<std::jthread> threads_;  // last: they use all above
};

}  // namespace quire
