// Pages of one pack in memory: verified, pinned while used, evicted by policy; one fill of a page whatever the number
// of readers; a reader that has to wait parks, and no thread waits with it. cache/DESIGN.md tells states, locks and
// reasons.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_options.h"
#include "cache/cache_stats.h"
#include "cache/memory/arena.h"
#include "cache/memory/zeroed_array.h"
#include "cache/page/extent_slabs.h"
#include "cache/policy/admission.h"
#include "cache/policy/cost_model.h"
#include "cache/policy/eviction_policy.h"
#include "cache/policy/readahead.h"
#include "cache/volume/file_source.h"
#include "cache/volume/volume_source.h"
#include "format/pack.h"
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
  ~ExtentPin();
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
  // Called once, without a lock held; must not throw; may begin other reads.
  void (*done)(ExtentRead& read, Result<ExtentPin> pin) = nullptr;

  // The cache's, while the read is under way.
  ExtentRead* next = nullptr;
  uint32_t slot = 0;  // where the answer is, pinned
  std::span<const std::byte> bytes;
  bool is_verified = false;
  bool is_counted = false;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the padding keeps counters_ in cache lines of its own
class PageCache {
 public:
  // `pack`, `arena` and `engine` must outlive the cache. REQUIRES: the arena has at least kMinSlots slots.
  PageCache(const Pack& pack, const Arena& arena, VolumeSource& engine, const CacheOptions& options);
  PageCache(const PageCache&) = delete;
  PageCache& operator=(const PageCache&) = delete;
  ~PageCache();  // waits for what readahead began. REQUIRES: no pin lives, no read waits

  // The hit path: pins `extent` if its page is resident. No lock, no allocation, no system call, but for the first hit
  // on a prefetched page, and for every hit while the policy knows a future. Any thread. REQUIRES: `extent` comes from
  // the index of the pack.
  std::optional<ExtentPin> TryPin(const Extent& extent, uint32_t wanted_bytes);

  // The answer, if it can be given at once; else nothing, and `read.done` is called later, perhaps before this returns,
  // perhaps by this thread. Never blocks in I/O. Any thread, `done` included.
  std::optional<Result<ExtentPin>> Get(ExtentRead& read);

  // All of a page that is resident, for those who pass its samples on: neither counted as a hit nor as a use, so that a
  // policy still sees who really reads. The bytes are those of the whole slot; what lies outside the pack's data is
  // undefined. No lock, no allocation. Any thread.
  std::optional<ExtentPin> PinPage(uint64_t page);
  // Counts bytes of a pinned page that the kernel was given without asking, as if it had read them.
  void CountServed(const ExtentPin& pin, uint64_t bytes);

  // Called by a thread of the engine, without a lock held, for each page that became resident; must not block or throw.
  // REQUIRES: set before the first read.
  void SetPageListener(std::function<void(uint64_t page, bool is_prefetch)> listener) {
    page_listener_ = std::move(listener);
  }

  // Memory for extents that are read alone.
  [[nodiscard]] uint64_t slab_bytes() const { return slabs_.slab_count() * kPageBytes; }
  [[nodiscard]] uint64_t page_count() const { return page_count_; }
  // Whether every page has a slot.
  [[nodiscard]] bool fits() const { return admission_.fits(); }

  // Waits until no read waits and nothing is in flight, and ends readahead for good. REQUIRES: no read is begun
  // meanwhile, and no thread is in Get, TryPin or a pin's destructor.
  void Drain();

  // The pages that will be read, for policies that know the future; eviction_policy.h.
  void SetFuture(std::span<const uint64_t> pages);

  [[nodiscard]] CacheStats GetStats() const;
  // One line for the log: policy, admission, slots, and whether the pack fits.
  [[nodiscard]] std::string Describe() const;

 private:
  friend class ExtentPin;

  enum class State : uint8_t {
    kFree,      // holds nothing
    kFilling,   // its page is being read
    kResident,  // holds a verified page
    kDraining,  // its fill failed; those who were answered early still use it
  };
  static constexpr uint32_t kClosed = uint32_t{1} << 31;  // in Slot::pins: only who holds the lock may pin
  static constexpr uint64_t kNoPage = ~uint64_t{0};
  // In slot_of_page_: a slot's number + 1, or one of these.
  static constexpr uint32_t kAbsent = 0;
  static constexpr uint32_t kDamaged = ~uint32_t{0};  // its fill failed once: its extents are read one by one
  static constexpr size_t kParts = kPageBytes / kFillPartBytes;

  // What a hit touches: one cache line.
  struct alignas(64) Slot {
    std::atomic<uint32_t> pins = kClosed;
    std::atomic<bool> is_unused = false;  // prefetched, and nobody has read it yet
    std::atomic<uint64_t> page = kNoPage;
    std::atomic<uint64_t> used_at = 0;
    std::atomic<uint64_t> served_bytes = 0;
  };

  struct Part : VolumeRead {
    PageCache* cache = nullptr;
    uint8_t number = 0;
    uint32_t needed_bytes = 0;  // of the page's data; what is read beyond is the rest of a disk block
  };

  // What belongs to a page slot beside; mutex_ guards it.
  struct Fill {
    State state = State::kFree;
    uint32_t pending = 0;  // a bit for each part that has not come yet
    uint32_t failed = 0;   // and for each that came incomplete
    bool is_prefetch = false;
    uint64_t filled_at = 0;
    uint64_t began_ns = 0;
    uint32_t read_bytes = 0;
    ExtentRead* waiters = nullptr;
    uint32_t next_free = 0;
    std::array<Part, kParts> parts;
  };

  // Reads whose bytes are there, gathered under the lock and answered without it.
  struct Answers {
    ExtentRead* first = nullptr;
    ExtentRead** end = &first;
    void Add(ExtentRead& read, uint32_t slot, std::span<const std::byte> bytes, bool is_verified);
    ExtentRead* Pop();
  };

  struct PageRange {
    uint64_t begin = 0;  // in the volume: the page's data
    uint64_t end = 0;
  };
  [[nodiscard]] PageRange RangeOf(uint64_t page) const;
  // The slot of a page that is resident, pinned; its number, or nothing.
  std::optional<uint32_t> PinSlotOf(uint64_t page);
  [[nodiscard]] static std::span<const std::byte> BytesIn(std::span<const std::byte> page, const Extent& extent);
  // Those of `extent`, as bits of Fill::pending.
  [[nodiscard]] static uint32_t PartsOf(const Extent& extent);

  enum class Outcome : uint8_t { kAnswered, kParked, kNoMemory };

  // REQUIRES of all of these: the lock is held. What is to be read is put in front of to_submit_.
  // Once for each read that comes new; again for one that waited in vain, which is not admitted but read alone.
  Outcome ServeNew(ExtentRead& read, Answers& answers);
  Outcome ServeAgain(ExtentRead& read, Answers& answers);
  std::optional<Outcome> ServeFromMemory(ExtentRead& read, Answers& answers);
  std::optional<Outcome> ServeFromPage(ExtentRead& read, Answers& answers);
  std::optional<Outcome> ServeFromSlabs(ExtentRead& read, Answers& answers);
  Outcome Bypass(ExtentRead& read);
  void Count(ExtentRead& read, Counter counter);
  Admit Decide(const ExtentRead& read, bool in_run);
  void WaitForMemory(ExtentRead& read, Answers& answers);
  void ServeWaitingForMemory(Answers& answers);
  // `first` names the part to be read first; may be null.
  void StartFill(uint32_t slot, uint64_t page, const Extent* first, bool is_prefetch);
  void UseFirstTime(Slot& slot, const Extent& extent);
  void CountIfWasted(Slot& slot);
  void FollowRun(const Readahead::Advice& advice);
  void StartPrefetches();
  bool HasFreeSlot();
  uint32_t TakeFreeSlot();
  void ReleaseSlot(uint32_t slot);
  struct Victim {
    uint32_t slot = 0;
    uint64_t page = 0;
    uint64_t used_at = 0;
  };
  std::optional<Victim> FindVictim();
  [[nodiscard]] bool IsEvictable(uint32_t slot) const;
  // A slot for a page, by eviction if need be.
  std::optional<uint32_t> AcquireSlot();
  void TakeReady(Fill& fill, uint32_t slot, Answers& answers, ExtentRead*& retried);
  void Publish(Fill& fill, uint32_t slot);
  void Abandon(Fill& fill, uint32_t slot);
  void AddRead(VolumeRead& read);
  void CountRead(int64_t result, uint64_t now_ns);
  void LearnCosts(uint64_t bytes, uint64_t now_ns);
  void Retry(ExtentRead* retried, Answers& answers);

  // Without the lock; what the engine calls.
  static void OnPartRead(VolumeRead& read, int64_t result);
  static void OnExtentRead(VolumeRead& read, int64_t result);
  void PartRead(Part& part, int64_t result);
  void ExtentAloneRead(ExtentSlabs::Entry& entry, int64_t result);
  [[nodiscard]] bool VerifyPage(uint64_t page, std::span<const std::byte> bytes);
  Result<void> VerifyExtent(const Extent& extent, std::span<const std::byte> bytes);
  Result<ExtentPin> TakeAnswer(ExtentRead& read);
  void SubmitAndAnswer(std::unique_lock<std::mutex>& lock, Answers& answers);
  void EndRead();

  void Unpin(uint32_t slot);
  void LastUnpin();

  const Pack& pack_;
  const Arena& arena_;
  VolumeSource& engine_;
  const CacheOptions options_;
  const uint32_t alignment_bytes_;
  const Result<Volume> volume_;
  const uint64_t page_count_;
  CacheCounters counters_;
  std::function<void(uint64_t page, bool is_prefetch)> page_listener_;

  ZeroedArray<std::atomic<uint32_t>> slot_of_page_;
  std::vector<Slot> slots_;
  std::atomic<uint64_t> misses_ = 0;              // the cache's clock; written under the lock
  std::atomic<uint32_t> waiting_for_memory_ = 0;  // length of the queue; written under the lock
  std::atomic<bool> wants_accesses_ = false;      // the policy's

  // On a line of its own: each miss writes it, and each hit reads what stands before.
  alignas(64) mutable std::mutex mutex_;  // guards all below; never held across I/O, verification or `done`
  std::condition_variable idle_;
  ExtentSlabs slabs_;
  std::vector<Fill> fills_;  // by slot
  std::unique_ptr<EvictionPolicy> policy_;
  Admission admission_;
  Readahead readahead_;
  CostModel costs_;
  uint32_t free_ = 0;        // first of the list, as slot + 1; 0 for none
  uint32_t never_used_ = 0;  // slots from here on have held nothing yet
  uint32_t resident_pages_ = 0;
  uint32_t draining_slots_ = 0;
  std::optional<Victim> victim_;     // found earlier, and still the one while nothing of it changed
  uint64_t victim_sought_at_ = 0;    // in misses
  VolumeRead* to_submit_ = nullptr;  // by whoever holds the lock, once it lets go
  VolumeRead** to_submit_end_ = &to_submit_;
  ExtentRead* memory_queue_ = nullptr;  // those who wait for a slab, in order of arrival
  ExtentRead** memory_queue_end_ = &memory_queue_;

  // Pages to prefetch: a ring.
  std::vector<uint64_t> prefetch_queue_;
  size_t prefetch_first_ = 0;
  size_t prefetch_count_ = 0;
  uint32_t prefetches_in_flight_ = 0;
  uint32_t demand_in_flight_ = 0;
  bool is_draining_ = false;

  uint64_t outstanding_ = 0;  // reads of the engine whose handlers have not ended
  // What the cost model is told next: CountBusy, LearnCosts.
  uint64_t busy_reads_ = 0;
  uint64_t busy_since_ns_ = 0;
  uint64_t busy_ns_ = 0;
  uint64_t window_requests_ = 0;
  uint64_t window_bytes_ = 0;
  uint64_t least_fill_ns_ = 0;
};

inline ExtentPin::~ExtentPin() {
  if (cache_ != nullptr) cache_->Unpin(slot_);
}

}  // namespace quire
