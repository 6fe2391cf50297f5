// SPDX-License-Identifier: Apache-2.0
// One decision about two memories: the slots of the arena, and what the kernel's page cache may hold of the samples.
// Where the kernel can hold all of them, the arena is a stream: every page that is touched is filled, its samples are
// pushed on, and its slot is free again. Where it cannot, the arena is a store, and pages are admitted as admission.h
// says.
//
// What becomes of a push cannot be seen, since the kernel answers reads of pushed samples without a word. So of one
// page in kControlSpacing one sample is left out of the push: a control group. When readers go through the samples they
// come across these too, and those reads are seen: as many controls as were read, as large a share of what was pushed
// has been read, as far as anyone can tell. A pushed sample that is read through the daemon after all was dropped
// before its time.
//
// Filling a page of which one sample was asked for is a bet that the others will be read too, and so is sweeping. The
// bets are bounded as a skier's who buys skis once the rents have paid for them: what was filled ahead of its readers
// costs at most a small multiple of what reading one by one would have cost for what was really read (Karlin et al.,
// Competitive snoopy caching, 1988).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "cache/cache_options.h"
#include "format/locked_count.h"
#include "format/mutex.h"

namespace quire {

struct PushFigures {
  uint64_t pages = 0;               // that were looked through for samples to push
  uint64_t handed_on_pages = 0;     // of these: the kernel had nearly all afterwards
  uint64_t control_pages = 0;       // pages that were pushed but for one sample
  uint64_t control_pages_read = 0;  // of these: that sample was read
  uint64_t pushed_page_bytes = 0;   // with all pages
  uint64_t dropped_samples = 0;     // pushed, and asked for all the same
  uint64_t pauses = 0;              // times that pushing backed off
  bool is_paused = false;           // as it is now
  bool is_memory_short = false;     // as it was when that was last looked at
  uint64_t available_bytes = 0;     // memory that could still be used, when that was last looked at
};

// Thread-safe. Its lock is never held while another is taken.
class Residency {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr uint32_t kControlSpacing = 16;  // pages for each that leaves a control out

  struct Environment {
    // What the process could still use, page cache included; and whether memory is short for others.
    std::function<uint64_t()> available_bytes = [] { return ~uint64_t{0} / 2; };
    std::function<bool()> is_under_pressure = [] { return false; };
    std::function<Clock::time_point()> now = Clock::now;
  };
  struct Data {
    uint64_t bytes = 0;  // of all samples
    uint64_t samples = 0;
    uint64_t pages = 0;
    bool is_arena_asked_for = false;  // somebody said how large it may be, and did not leave that to us
  };
  Residency(PushMode mode, const Data& data, Environment environment);

  // The pack has grown.
  void Grow(uint64_t bytes, uint64_t samples, uint64_t pages);

  // --- Memory

  // Looks at memory anew: some file reads, so never with a lock held. Ten times a second while the mount is used, and
  // before each slot that the arena grows by.
  void LookAtMemory();
  // Whether all samples find room in the page cache beside what else needs memory.
  static constexpr uint64_t kShareOfAvailable = 2;  // the other half is other people's files
  [[nodiscard]] uint64_t sample_bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool HasRoom() const { return sample_bytes() <= available_bytes() / kShareOfAvailable; }
  [[nodiscard]] uint64_t available_bytes() const { return available_bytes_.load(std::memory_order_relaxed); }
  // Whether the arena is a stream: pages are handed on, and the kernel has room for all.
  [[nodiscard]] bool IsStream() const { return mode_ != PushMode::kOff && HasRoom(); }
  // How many slots the arena may have, where it has `populated` now.
  [[nodiscard]] uint32_t SlotLimit(uint32_t populated) const;

  // --- What readers ask for

  // A read of `page` missed. `rent`: what reading the extent alone costs, as a share of the price of the page.
  void Missed(uint64_t page, double rent);
  // Whether reads come from everywhere in the volume, so that all of it is being read.
  [[nodiscard]] bool IsSpread() const;
  // Whether a miss may fill its page on the strength of what is to come; Filled tells that it did.
  [[nodiscard]] bool MayFill() const;
  void Filled();
  // How many pages may be swept now: 0 while reads do not show that all of the data is being read, where it has no
  // room, and where readers do not keep pace.
  [[nodiscard]] uint64_t SweepAllowance() const;
  void Swept();

  // --- What is pushed

  // Whether the samples of a page may be pushed now. `in_run`: the page was read ahead, on a sequential run.
  [[nodiscard]] bool AllowsPush(bool in_run) const;
  // While readers follow a plan, and not all samples find room, the plan alone says which are worth it.
  void SetPlanActive(bool is_active) { is_plan_active_.store(is_active, std::memory_order_relaxed); }
  // How far ahead of the readers a plan may be pushed; 0: not at all.
  [[nodiscard]] uint64_t PlanBytes() const;

  // A page was looked through: `pushed_bytes` of it went to the kernel, which has all that it can be given or not.
  void PageLookedThrough(uint64_t pushed_bytes, bool has_new_control, bool is_handed_on);
  void ControlRead();
  void SamplePushed();
  // True where so many were dropped that what was handed on has to be taken as lost.
  bool SampleDropped();

  // Takes no lock.
  [[nodiscard]] PushFigures figures() const;

 private:
  static constexpr uint32_t kRegions = 16;  // of the volume, in which misses are looked for

  [[nodiscard]] bool IsPaused() const { return environment_.now() < paused_until_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool IsShort() const;
  [[nodiscard]] bool IsSpreadLocked() const QUIRE_REQUIRES(mutex_);
  // In prices of a page: what reads would have cost one by one, as far as they were seen.
  [[nodiscard]] double PaidLocked() const QUIRE_REQUIRES(mutex_);

  const PushMode mode_;
  const bool is_arena_asked_for_;
  // As in Data.
  std::atomic<uint64_t> bytes_;
  std::atomic<uint64_t> samples_;
  std::atomic<uint64_t> pages_;
  const Environment environment_;
  std::atomic<uint64_t> available_bytes_ = 0;
  std::atomic<bool> is_under_pressure_ = false;
  std::atomic<bool> is_plan_active_ = false;

  mutable Mutex mutex_;
  // As in PushFigures, changed with the lock held.
  struct Counts {
    LockedCount pages;
    LockedCount handed_on_pages;
    LockedCount control_pages;
    LockedCount control_pages_read;
    LockedCount pushed_page_bytes;
    LockedCount dropped_samples;
    LockedCount pauses;
  };
  Counts counts_;
  // Reads of pages that are not resident.
  uint64_t misses_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::array<uint64_t, kRegions> missed_at_ QUIRE_GUARDED_BY(mutex_) = {};  // by region: the last miss there
  double rents_ QUIRE_GUARDED_BY(mutex_) = 0;                               // of all misses
  double mean_rent_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t filled_pages_ QUIRE_GUARDED_BY(mutex_) = 0;  // on the strength of what is to come
  uint64_t swept_pages_ QUIRE_GUARDED_BY(mutex_) = 0;   // of these: that nobody had asked for
  // Pages that were looked through, lately, and how many of them the kernel has all of.
  uint64_t looked_through_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t handed_on_ QUIRE_GUARDED_BY(mutex_) = 0;
  // Since the last look at what was dropped.
  uint64_t window_pushed_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t window_dropped_ QUIRE_GUARDED_BY(mutex_) = 0;
  std::atomic<Clock::time_point> paused_until_ = Clock::time_point();  // written with the lock held
  std::chrono::seconds next_pause_ QUIRE_GUARDED_BY(mutex_){1};
};

}  // namespace quire
