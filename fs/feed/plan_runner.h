// SPDX-License-Identifier: Apache-2.0
// Goes ahead of the readers along a plan: brings each sample into memory, and on into the kernel's page cache.
//
// Storing into the kernel can wait for a read of the sample that is under way, which may wait for memory of the cache
// itself. So what waits to be stored is a copy, in memory of the runner's own, and holds nothing of the cache: the
// bytes are copied as soon as they come, and their pin goes back.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "cache/background_thread.h"
#include "cache/linked_queue.h"
#include "cache/policy/residency.h"
#include "cache/sample_reader.h"
#include "format/mutex.h"
#include "format/pack/index.h"
#include "fs/feed/copy_ring.h"
#include "fs/feed/kernel_store.h"
#include "fs/feed/kernel_view.h"
#include "fs/feed/plan.h"

namespace quire {

class PlanRunner {
 public:
  // All must outlive the runner.
  PlanRunner(const Index& index, SampleReader& samples, Plan& plan, KernelView& view, KernelStore& store,
             Residency& residency);
  ~PlanRunner();  // stops

  Result<void> Start();
  // Returns once the thread has ended; reads that it began may still be under way, and end by themselves: the runner
  // must live until the reader is at rest. REQUIRES: requests are still answered, or the mount is gone.
  void Stop();

  // The plan, or the readers' place in it, has changed. Any thread; does not block.
  void Wake();
  // The plan ended, or was forgotten: the cache is told what will be read.
  void FutureChanged();

 private:
  // A read of a sample that is on its way, or whose copy waits to be stored.
  struct Planned : SampleRead {
    PlanRunner* runner = nullptr;
    NodeNumber number = 0;
    bool is_marker = false;
    bool is_copied = false;     // `copy` holds the bytes
    std::span<std::byte> copy;  // in the ring
    Planned* next = nullptr;
  };
  static constexpr size_t kMaxInFlight = 64;
  static constexpr uint64_t kNever = ~uint64_t{0};

  void Run(const std::stop_token& stop);
  // Does one thing, or waits until there is something to do. Throws std::bad_alloc.
  void TakeTurn(const std::stop_token& stop);
  void StoreFirst() QUIRE_EXCLUDES(mutex_);
  void KeepRing(bool is_active);
  void Prefetch(const Plan::Step& step);
  static void Arrived(SampleRead& read, Result<SampleBytes> result);
  void Keep(Planned& planned, Result<SampleBytes> result);
  [[nodiscard]] bool IsToBeStored(const Node& node, NodeNumber number, bool is_marker) const;
  void TellFuture(const std::stop_token& stop);
  void ForgetFuture();
  [[nodiscard]] uint64_t WindowPlaces();

  [[nodiscard]] bool HasCopy() const QUIRE_REQUIRES(mutex_) { return !waiting_.empty() && waiting_.first()->is_copied; }
  void Free(Planned& planned) QUIRE_REQUIRES(mutex_);

  const Index& index_;
  SampleReader& samples_;
  Plan& plan_;
  KernelView& view_;
  KernelStore& store_;
  Residency& residency_;
  const uint64_t mean_sample_bytes_;
  const uint64_t half_of_slabs_bytes_;
  const size_t ring_bytes_;
  const uint64_t max_in_flight_bytes_;
  std::atomic<bool> is_pushing_ = false;  // samples are stored, as far as was known when that was last looked at

  // Only the thread uses these.
  bool pushes_again_ = false;        // also what the kernel was given before: it will have dropped it
  bool is_ring_refused_ = false;     // for want of memory, until the plan is over
  bool has_told_future_ = false;     // the cache knows one
  uint64_t tell_again_at_ = kNever;  // readers' place at which it knows too little of the future

  Mutex mutex_;
  ConditionVariable changed_;
  bool has_changed_ QUIRE_GUARDED_BY(mutex_) = false;
  bool future_changed_ QUIRE_GUARDED_BY(mutex_) = false;
  bool is_stopped_ QUIRE_GUARDED_BY(mutex_) = false;
  std::unique_ptr<CopyRing> ring_ QUIRE_GUARDED_BY(mutex_);  // while there is a plan and samples are stored
  LinkedQueue<Planned> waiting_ QUIRE_GUARDED_BY(mutex_);    // those with a place in the ring, in its order
  LinkedQueue<Planned> free_ QUIRE_GUARDED_BY(mutex_);
  uint64_t in_flight_bytes_ QUIRE_GUARDED_BY(mutex_) = 0;  // until they were stored
  std::vector<Planned> planned_;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
