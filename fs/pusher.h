// Pushes the samples of pages that came into memory on into the kernel's page cache, by threads of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "cache/memory/zeroed_array.h"
#include "cache/page_cache.h"
#include "format/index.h"
#include "fs/kernel_store.h"
#include "fs/kernel_view.h"
#include "fs/push_budget.h"

namespace quire {

// Any thread may tell of pages; nothing blocks but Stop, and nothing allocates after Start.
class Pusher {
 public:
  // All must outlive the pusher.
  Pusher(const Index& index, PageCache& cache, KernelView& view, KernelStore& store, PushBudget& budget);
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
  // The sample that was left out of the page was read.
  void ControlRead(uint64_t page) { budget_.ControlRead(pages_[page].pushed_bytes.load(std::memory_order_relaxed)); }

 private:
  struct Page {
    std::atomic<uint32_t> pushed_bytes = 0;
    std::atomic<uint16_t> reads_to_wait = 0;  // until it is looked through again
    std::atomic<uint16_t> patience = 0;       // what that was last
    std::atomic<bool> is_queued = false;
    std::atomic<bool> in_run = false;
    std::atomic<bool> has_control = false;
  };

  void Enqueue(uint64_t page);
  void Run(const std::stop_token& stop);
  void PushSamples(uint64_t page, const std::stop_token& stop);
  // Whether the sample that the extent holds is one that can be pushed whole.
  [[nodiscard]] bool IsWholeSample(ExtentNumber number, const Extent& extent) const;

  const Index& index_;
  PageCache& cache_;
  KernelView& view_;
  KernelStore& store_;
  PushBudget& budget_;
  ZeroedArray<Page> pages_;

  std::mutex mutex_;  // guards the ring
  std::condition_variable_any arrived_;
  std::vector<uint64_t> ring_;
  size_t first_ = 0;
  size_t count_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace quire
