// SPDX-License-Identifier: Apache-2.0
// Pages of one pack in memory: pinned while used, evicted by policy; one fill of a page whatever the number
// of readers; a reader that has to wait parks, and no thread waits with it. This file joins the pieces: which page is
// where (page/slot_table.h), which slot it gets (page/slot_supply.h), how it comes (page/page_fills.h), extents that
// are read alone (page/extent_slabs.h), and who decides (policy/). cache/DESIGN.md tells states, locks and reasons.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "cache/cache_options.h"
#include "cache/cache_stats.h"
#include "cache/memory/arena.h"
#include "cache/page/extent_read.h"
#include "cache/page/extent_slabs.h"
#include "cache/page/page_fills.h"
#include "cache/page/page_keeper.h"
#include "cache/page/slot_supply.h"
#include "cache/page/slot_table.h"
#include "cache/page/sum_check.h"
#include "cache/policy/admission.h"
#include "cache/policy/cost_meter.h"
#include "cache/policy/prefetch_queue.h"
#include "cache/policy/readahead.h"
#include "cache/policy/residency.h"
#include "cache/policy/retry_pause.h"
#include "cache/volume/volume_set.h"
#include "cache/volume/volume_source.h"
#include "format/locked_count.h"
#include "format/mutex.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the padding keeps counters_ in cache lines of its own
class PageCache {
 public:
  // `pack`, `arena` and `source` must outlive the cache. REQUIRES: the arena has at least kMinSlots slots.
  PageCache(const Pack& pack, Arena& arena, VolumeSource& source, const CacheOptions& options,
            Residency::Environment environment = {});
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;
  ~PageCache();  // waits for what readahead began. REQUIRES: no pin lives, no read waits

  // The hit path: pins `extent` if its page is resident. No lock, no allocation, no system call, but for the first hit
  // on a prefetched page, and for every hit while the policy knows a future. Any thread. REQUIRES: `extent` comes from
  // the index of the pack.
  std::optional<ExtentPin> TryPin(const Extent& extent, uint32_t wanted_bytes);

  // Makes pages of what `later`, a later generation of the pack, has in addition; those that are here stay. The pack
  // has opened its volumes. kUnsupported where there is no room for so many: then nothing has changed. One thread at a
  // time. REQUIRES: CacheOptions::grows.
  Result<void> Grow(const Index& later);

  // The answer, if it can be given at once; else nothing, and `read.done` is called later, perhaps before this returns,
  // perhaps by this thread. Never blocks in I/O. Any thread, `done` included.
  std::optional<Result<ExtentPin>> Get(ExtentRead& read);

  // --- For those who pass samples on to the kernel.

  // All of a page that is resident: neither counted as a hit nor as a use, so that a policy still sees who really
  // reads. The bytes are those of the whole slot; what lies outside the pack's data is undefined. No lock, no
  // allocation. Any thread.
  std::optional<ExtentPin> PinPage(uint64_t page);
  // Whether the bytes of `extent`, which lies in the page pinned, are there and right. Checked once while the page is
  // resident.
  [[nodiscard]] bool IsRight(const ExtentPin& page, const Extent& extent);
  // Whether they were not read with the page, since the kernel was given all of `extent` before.
  [[nodiscard]] bool IsLeftOut(const ExtentPin& page, const Extent& extent) const {
    return fills_.IsLeftOut(page.slot_, extent);
  }
  // Whether a page in memory has all bytes of `extent`; one that is in memory by itself is not counted. Any thread.
  [[nodiscard]] bool Holds(const Extent& extent);
  // The kernel has of a pinned page whatever it can be given, once readers have used `bytes_to_use` of it: its slot is
  // as good as free then.
  void MarkHandedOn(const ExtentPin& pin, uint32_t bytes_to_use = 0) { slots_.MarkHandedOn(pin.slot_, bytes_to_use); }
  // The kernel let go of what it was given: pages that were handed on are filled again when they are asked for.
  void ForgetHandedOn() { slots_.ForgetHandedOn(); }
  // Called by a thread of the source, without a lock held, for each page that became resident; must not block or throw.
  // `in_run`: it was read ahead of a sequential run. REQUIRES: set before the first read.
  void SetPageListener(std::function<void(uint64_t page, bool in_run)> listener) {
    page_listener_ = std::move(listener);
  }

  // Who keeps pages below; it must outlive all reads. REQUIRES: set before the first read.
  void SetKeeper(PageKeeper* keeper) { keeper_ = keeper; }

  // Begins to fill a page that nobody asked for, behind all that somebody did. kNoSlot: not now.
  enum class SweepOutcome : uint8_t { kBegun, kNotNeeded, kNoSlot };
  SweepOutcome Sweep(uint64_t page);
  // Whether that could be of use: without a lock. REQUIRES: page < page_count().
  [[nodiscard]] bool MayBeSwept(uint64_t page) const { return slots_.presence(page) == SlotTable::Presence::kAbsent; }

  [[nodiscard]] Residency& residency() { return residency_; }

  // --- Memory

  // Memory for extents that are read alone.
  [[nodiscard]] uint64_t slab_bytes() const { return slabs_.slab_count() * kPageBytes; }
  // Slots for pages, at most.
  [[nodiscard]] uint32_t page_slots() const { return arena_.slot_count() - slabs_.slab_count(); }
  [[nodiscard]] uint64_t page_count() const { return volumes_.page_count(); }
  // To which that may grow while the cache lives.
  [[nodiscard]] uint64_t most_pages() const { return most_pages_; }
  // The place of a page in its volume. REQUIRES: page < page_count().
  [[nodiscard]] VolumeSet::Page PlaceOf(uint64_t page) const { return volumes_.At(page); }
  [[nodiscard]] std::span<const VolumeSet::Span> spans() const { return volumes_.spans(); }
  // The page in which `extent` lies; nothing where its volume cannot be had.
  [[nodiscard]] std::optional<uint64_t> FindPage(const Extent& extent) const { return volumes_.FindPage(extent); }
  // Whether nothing needs to be chosen: every page has a slot, or goes on to a kernel that has room for all.
  [[nodiscard]] bool fits() const {
    return residency_.IsStream() ||
           (admission_.fits() && residency_.SlotLimit(arena_.populated()) >= arena_.slot_count());
  }
  // Whether it is of use to know which pages will be read.
  [[nodiscard]] bool wants_future() const { return keeper_ != nullptr || !fits(); }
  // Gives memory back: of half of the slots that stayed free since the last call, and of those above the limit that
  // residency sets by now; of all that nobody pins where the cache is idle. About once a second, by one thread.
  void Trim(bool is_idle);
  // Waits until slots are wanted ahead of need, `stop` is requested or `most` has passed; then gets them memory, which
  // may take milliseconds. By one thread.
  void FillReserve(const std::stop_token& stop, std::chrono::milliseconds most);
  // Grows with each read that the cache sees.
  [[nodiscard]] uint64_t uses() const;

  // Waits until no read waits and nothing is in flight, and ends readahead for good. REQUIRES: no read is begun
  // meanwhile, and no thread is in Get, TryPin or a pin's destructor.
  void Drain();

  // The pages that will be read, for policies that know the future (eviction_policy.h) and for the keeper.
  void SetFuture(std::span<const uint64_t> pages);

  // Takes no lock.
  [[nodiscard]] CacheStats GetStats() const;
  // As SlotTable::VisitOpen: pages that are in memory. Takes no lock.
  template <typename Visit>
  void VisitInMemory(const Visit& visit) const {
    slots_.VisitOpen(visit);
  }
  // Whether a page is not in memory, and its samples went on to a kernel that may still hold them. Takes no lock.
  // REQUIRES: page < page_count().
  [[nodiscard]] bool WentOn(uint64_t page) const { return slots_.presence(page) == SlotTable::Presence::kHandedOn; }
  // One line for the log: policy, admission, slots, and whether the pack fits.
  [[nodiscard]] std::string Describe() const;

 private:
  friend class ExtentPin;

  // Reads whose bytes are there, gathered under the lock and answered without it.
  using Answers = ExtentReadQueue;

  [[nodiscard]] static std::span<const std::byte> BytesIn(std::span<const std::byte> page, const Extent& extent);

  enum class Outcome : uint8_t { kAnswered, kParked, kNoMemory };

  // What is to be read is put into to_submit_, slots that need memory are told to supply_.
  // Once for each read that comes new; again for one that waited in vain, which is not admitted but read alone.
  Outcome ServeNew(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  Outcome ServeAgain(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  std::optional<Outcome> ServeFromMemory(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  std::optional<Outcome> ServeFromPage(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  std::optional<Outcome> ServeFromSlabs(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  Outcome Bypass(ExtentRead& read) QUIRE_REQUIRES(mutex_);
  void AnswerFromSlab(ExtentSlabs::Entry& entry, ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  static void Answer(ExtentRead& read, uint32_t slot, std::span<const std::byte> bytes, Answers& answers);
  void Count(ExtentRead& read, Counter counter) QUIRE_REQUIRES(mutex_);
  void WaitForMemory(ExtentRead& read, Answers& answers) QUIRE_REQUIRES(mutex_);
  void ServeWaitingForMemory(Answers& answers) QUIRE_REQUIRES(mutex_);

  void Evicted(uint32_t slot) QUIRE_REQUIRES(mutex_);
  std::optional<uint32_t> AdmittedSlot(const ExtentRead& read, bool in_run) QUIRE_REQUIRES(mutex_);
  [[nodiscard]] bool IsAbsent(uint64_t page) const QUIRE_REQUIRES(mutex_);

  // `first`: the read that asked for the page; may be null.
  void StartFill(uint32_t slot, uint64_t page, ExtentRead* first, FillKind kind) QUIRE_REQUIRES(mutex_);
  // `times`: of the request that came last.
  void TakeReady(uint32_t slot, const RequestTimes& times, Answers& answers, ExtentReadQueue& retried)
      QUIRE_REQUIRES(mutex_);
  void EndFill(uint32_t slot, const RequestTimes& times, Answers& answers) QUIRE_REQUIRES(mutex_);
  void Publish(uint32_t slot) QUIRE_REQUIRES(mutex_);
  void Retry(ExtentReadQueue& retried, Answers& answers) QUIRE_REQUIRES(mutex_);
  void GotMemory(uint32_t slot, bool is_there, Answers& answers) QUIRE_REQUIRES(mutex_);

  void UseFirstTime(uint32_t slot, const Extent& extent) QUIRE_REQUIRES(mutex_);
  void CountIfWasted(uint32_t slot) QUIRE_REQUIRES(mutex_);
  void FollowRun(const Readahead::Advice& advice) QUIRE_REQUIRES(mutex_);
  void StartPrefetches() QUIRE_REQUIRES(mutex_);

  // Without the lock. False where the machine has no memory to give.
  bool Populate(uint32_t slot) noexcept;

  // Without the lock; what the source calls.
  static void OnPartRead(VolumeRead& read, int64_t result);
  static void OnExtentRead(VolumeRead& read, int64_t result);
  void PartRead(PageFills::Request& request, int64_t result);
  void ExtentAloneRead(ExtentSlabs::Entry& entry, int64_t result);
  // Of a page that holds other bytes than the disk gives.
  void DropIfWrong(uint64_t page) QUIRE_REQUIRES(mutex_);
  // What came wrong may have been harmed on its way only: `result` bytes came, and are asked for once more.
  void ReadAgain(ExtentSlabs::Entry& entry, int64_t result);
  void CountRead(int64_t result, uint64_t now_ns) QUIRE_REQUIRES(mutex_);
  // A page or an extent is complete, or has failed.
  void CountRequest(uint64_t bytes, uint64_t now_ns) QUIRE_REQUIRES(mutex_);
  // Nothing where the bytes of the page are wrong: the read is to be served again, by what does not lie in the page.
  std::optional<ExtentPin> TakeAnswer(ExtentRead& read);
  // Lets go of the lock; then submits, answers, and gets memory.
  void SubmitAndAnswer(MutexLock& lock, Answers& answers) QUIRE_RELEASE(mutex_);
  void EndRead() QUIRE_EXCLUDES(mutex_);

  void Unpin(uint32_t slot);
  void LastUnpin();

  const Pack& pack_;
  Arena& arena_;
  const CacheOptions options_;
  VolumeSet volumes_;
  const uint64_t most_pages_;
  CacheCounters counters_;
  SumCheck sums_;
  std::function<void(uint64_t page, bool in_run)> page_listener_;
  PageKeeper* keeper_ = nullptr;
  Residency residency_;

  std::atomic<uint64_t> misses_ = 0;              // the cache's clock; written under the lock
  std::atomic<uint32_t> waiting_for_memory_ = 0;  // length of the queue; written under the lock
  std::atomic<bool> wants_accesses_ = false;      // the policy's
  std::atomic<bool> is_memory_refused_ = false;   // once, which the log knows

  // On a line of its own: each miss writes it, and each hit reads what stands before.
  alignas(64) mutable Mutex mutex_;  // never held across I/O, verification or `done`
  ConditionVariable idle_;
  ConditionVariable reserve_wanted_;
  ReadQueue to_submit_ QUIRE_GUARDED_BY(mutex_);  // by the thread that holds the lock, once it lets go
  // The mutex guards these four as well, but for what their headers say is free of locks.
  ExtentSlabs slabs_;
  SlotTable slots_;
  PageFills fills_;
  Admission admission_;
  SlotSupply supply_ QUIRE_GUARDED_BY(mutex_);
  // Of each page that is absent: what readers of extents alone were given, which keep it.
  ZeroedArray<UnitSet> given_ QUIRE_GUARDED_BY(mutex_);
  Readahead readahead_ QUIRE_GUARDED_BY(mutex_);
  CostMeter meter_ QUIRE_GUARDED_BY(mutex_);
  PrefetchQueue prefetches_ QUIRE_GUARDED_BY(mutex_);
  RetryPause retry_pause_ QUIRE_GUARDED_BY(mutex_);
  ExtentReadQueue memory_queue_ QUIRE_GUARDED_BY(mutex_);  // reads that wait for a slab
  bool is_draining_ QUIRE_GUARDED_BY(mutex_) = false;

  // What meter_ believes, for who takes no lock.
  LockedCount ns_per_byte_x1000_;
  LockedCount ns_per_request_;

  // Reads of the source whose handlers have not ended, and slots that get memory.
  uint64_t outstanding_ QUIRE_GUARDED_BY(mutex_) = 0;
};

inline ExtentPin::~ExtentPin() {
  if (cache_ != nullptr) cache_->Unpin(slot_);
}

}  // namespace quire
