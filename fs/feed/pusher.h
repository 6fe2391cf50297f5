// SPDX-License-Identifier: Apache-2.0
// Pushes the samples of pages that came into memory on into the kernel's page cache, by threads of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "cache/page_cache.h"
#include "format/mutex.h"
#include "format/pack/index.h"
#include "format/zeroed_array.h"
#include "fs/feed/kernel_store.h"
#include "fs/feed/kernel_view.h"
#include "fs/feed/seam_table.h"

namespace quire {

// Any thread may tell of pages; nothing blocks but Stop, and nothing allocates after Start.
class Pusher {
 public:
  // All must outlive the pusher. `handed_on` is called, by a thread of the pusher, when a page's slot is free again.
  Pusher(
      const Index& index, PageCache& cache, KernelView& view, KernelStore& store,
      std::function<void()> handed_on = [] {});
  ~Pusher();  // stops

  Result<void> Start(unsigned threads);
  // Returns once no thread stores any more. REQUIRES: requests are still answered, or the mount is gone.
  void Stop();

  // The page became resident.
  void PageArrived(uint64_t page, bool in_run);
  // A read of one of its samples was answered from it. When that happens to a page that was pushed, some of its samples
  // were not known to the kernel then, and may be by now: it is looked through again, ever more seldom while that is
  // for nothing.
  void PageRead(uint64_t page);

 private:
  struct Page {
    std::atomic<uint16_t> reads_to_wait = 0;  // until it is looked through again
    std::atomic<uint16_t> patience = 0;       // what that was last
    std::atomic<bool> is_queued = false;
    std::atomic<bool> in_run = false;
    std::atomic<bool> has_control = false;
  };

  void Enqueue(uint64_t page);
  void Run(const std::stop_token& stop);
  void PushSamples(uint64_t page, const std::stop_token& stop);
  // Where in its sample the extent lies, if it can be pushed.
  struct Pushable {
    SamplePiece piece;
    uint64_t sample_bytes = 0;
    bool is_whole = false;  // it is all of the sample
  };
  [[nodiscard]] std::optional<Pushable> PieceOf(ExtentNumber number, const Extent& extent) const;
  // `bytes`: all of the extent, which are right. False where the kernel does not take them.
  bool Push(const Pushable& pushable, std::span<const std::byte> bytes);
  // Keeps bytes of a piece that lie at its begin or its end until their seam is whole, and stores that.
  void PushSeam(const Pushable& pushable, FileRange part, std::span<const std::byte> bytes);

  const Index& index_;
  PageCache& cache_;
  KernelView& view_;
  KernelStore& store_;
  Residency& residency_;
  const std::function<void()> handed_on_;
  ZeroedArray<Page> pages_;
  SeamTable seams_;

  Mutex mutex_;
  ConditionVariable arrived_;
  std::vector<uint64_t> ring_ QUIRE_GUARDED_BY(mutex_);
  size_t first_ QUIRE_GUARDED_BY(mutex_) = 0;
  size_t count_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace quire
