// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/residency.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "format/pack/geometry.h"

namespace quire {
namespace {

// Beside what is cached, programs want memory in a hurry.
constexpr uint64_t kReserveBytes = 64 << 20;
// A stream's slots are those being filled (16 reads of 256 KiB and what readers wait for: some 10 pages), those that
// wait to be pushed, and those being pushed. With 112 of them the daemon stays below 256 MiB, and whoever pushes may
// lag by a tenth of a second at 2 GB/s.
constexpr uint32_t kStreamSlots = 112;
// Of the memory that is left and what the arena has of it already, the arena's share: ten mounts that all read come to
// 10/18 of it, since each leaves eight ninths of what the others have not taken.
constexpr uint64_t kArenaShareOfAvailable = 8;
// Where its size was asked for, somebody has thought about the others: it grows as long as half of what is left at the
// moment suffices, and gives back an eighth a second where next to nothing is left.
constexpr uint64_t kAskedShareOfAvailable = 2;
constexpr uint64_t kGivenBackAtATime = 8;
// Below that the cache cannot work: arena.h, kMinSlots.
constexpr uint32_t kLeastSlots = 4;
// The kernel keeps as much on its inactive list as on the active one. A sample that was pushed and then read moves to
// the active list, and for each another comes back from there: so what is pushed stays for a quarter of the memory to
// go by before it is dropped. Half of that, to be safe: with all of it a third was dropped unread.
constexpr uint64_t kPlanShareOfAvailable = 8;
// A quarter of a second of reading at 1 GB/s; further ahead than that nothing becomes quicker.
constexpr uint64_t kMaxPlanBytes = 256 << 20;

// Pages that are filled on trust, before anything shows that they are worth it: a gigabyte, a second of most disks.
constexpr double kTrustPages = 512;
// Beyond, so many times what readers have paid. A shuffled epoch over images of 110 KB, 19 a page, fills 11 times at
// first what reading alone would cost, and half of the pages by the time that it has paid for 6 % of them: with 8 it
// soon fills every page that it meets. Somebody who reads samples at random and never comes back pays 9 times as much
// as without pages, and not before a gigabyte.
constexpr double kTrustTimesPaid = 8;
// Reads are spread over the volume when 12 of its 16 regions were missed in within the last 64 misses. A shuffle of all
// misses 15.7 of them on average in that time, and 12 within the first 23; a class of a hundred, in path order, 1 or 2.
constexpr uint64_t kSpreadRegions = 12;
constexpr uint64_t kSpreadMisses = 64;
// For each page that a reader asked for since then, as many are swept: so a volume that is swept for nothing costs five
// times the pages that were asked for, and a shuffle has a fifth of its pages read by those who ask.
constexpr uint64_t kSweptForEachMiss = 4;

// Pushing is to no purpose where this share of pages cannot be handed on: the kernel does not know their inodes.
constexpr uint64_t kLookedThroughWindow = 256;
constexpr uint64_t kHandedOnShare = 2;

// One in eight dropped before it was read: a push costs a third of what a read saves, so it still pays, but memory is
// short, and pushing makes it shorter.
constexpr uint64_t kDroppedShare = 8;
constexpr uint64_t kMinDropped = 64;
constexpr uint64_t kWindowSamples = 4096;
constexpr std::chrono::seconds kLongestPause{64};

}  // namespace

Residency::Residency(PushMode mode, const Data& data, Environment environment)
    : mode_(mode),
      is_arena_asked_for_(data.is_arena_asked_for),
      bytes_(data.bytes),
      samples_(data.samples),
      pages_(std::max<uint64_t>(data.pages, 1)),
      environment_(std::move(environment)) {
  LookAtMemory();
}

void Residency::Grow(uint64_t bytes, uint64_t samples, uint64_t pages) {
  bytes_.store(bytes, std::memory_order_relaxed);
  samples_.store(samples, std::memory_order_relaxed);
  pages_.store(std::max<uint64_t>(pages, 1), std::memory_order_relaxed);
}

void Residency::LookAtMemory() {
  available_bytes_.store(environment_.available_bytes(), std::memory_order_relaxed);
  is_under_pressure_.store(environment_.is_under_pressure(), std::memory_order_relaxed);
}

uint32_t Residency::SlotLimit(uint32_t populated) const {
  const uint64_t own_bytes = populated * kPageBytes;
  uint64_t may_have_bytes = (available_bytes() + own_bytes) / kArenaShareOfAvailable;
  if (is_arena_asked_for_)
    may_have_bytes = available_bytes() < kReserveBytes ? own_bytes - own_bytes / kGivenBackAtATime
                                                       : own_bytes + available_bytes() / kAskedShareOfAvailable;
  uint64_t limit = std::clamp<uint64_t>(may_have_bytes / kPageBytes, kLeastSlots, std::numeric_limits<uint32_t>::max());
  const MutexLock lock(mutex_);
  const bool is_handing_on =
      looked_through_ < kLookedThroughWindow / 4 || handed_on_ * kHandedOnShare >= looked_through_;
  if (IsStream() && is_handing_on) limit = std::min<uint64_t>(limit, kStreamSlots);
  return static_cast<uint32_t>(limit);
}

bool Residency::IsShort() const {
  return available_bytes() < kReserveBytes || is_under_pressure_.load(std::memory_order_relaxed);
}

void Residency::Missed(uint64_t page, double rent) {
  const MutexLock lock(mutex_);
  missed_at_[page * kRegions / pages_.load(std::memory_order_relaxed) % kRegions] = ++misses_;
  rents_ += rent;
  mean_rent_ += (rent - mean_rent_) / static_cast<double>(std::min<uint64_t>(misses_, kWindowSamples));
}

// A control that was read stands for all samples of kControlSpacing pages: a share of them as large as that of the
// controls that were read has been read.
double Residency::PaidLocked() const {
  const double samples_a_page = static_cast<double>(samples_.load(std::memory_order_relaxed)) /
                                static_cast<double>(pages_.load(std::memory_order_relaxed));
  return rents_ + static_cast<double>(counts_.control_pages_read.get() * kControlSpacing) * samples_a_page * mean_rent_;
}

bool Residency::MayFill() const {
  if (!IsStream()) return false;
  const MutexLock lock(mutex_);
  if (IsShort() || IsPaused()) return false;
  return static_cast<double>(filled_pages_) <= kTrustPages + kTrustTimesPaid * PaidLocked();
}

void Residency::Filled() {
  const MutexLock lock(mutex_);
  ++filled_pages_;
}

// What was spread once is being read as a whole: its misses become fewer as the sweep proceeds.
bool Residency::IsSpreadLocked() const {
  if (swept_pages_ > 0) return true;
  uint64_t regions = 0;
  for (const uint64_t at : missed_at_) regions += at != 0 && misses_ - at < kSpreadMisses ? 1 : 0;
  return regions >= kSpreadRegions;
}

bool Residency::IsSpread() const {
  const MutexLock lock(mutex_);
  return IsSpreadLocked();
}

uint64_t Residency::SweepAllowance() const {
  if (!MayFill()) return 0;
  const MutexLock lock(mutex_);
  if (!IsSpreadLocked()) return 0;
  const uint64_t controls = counts_.control_pages_read.get() * kControlSpacing;
  const uint64_t allowed = kSweptForEachMiss * (misses_ + controls);
  return allowed - std::min(allowed, swept_pages_);
}

void Residency::Swept() {
  const MutexLock lock(mutex_);
  ++swept_pages_;
  ++filled_pages_;
}

bool Residency::AllowsPush(bool in_run) const {
  if (mode_ == PushMode::kOff) return false;
  const bool has_room = HasRoom();
  const MutexLock lock(mutex_);
  if (available_bytes() < kReserveBytes) return false;
  if (!has_room && is_plan_active_.load(std::memory_order_relaxed)) return false;
  if (mode_ == PushMode::kOn) return true;
  if (IsShort() || IsPaused()) return false;
  return in_run || has_room;
}

uint64_t Residency::PlanBytes() const {
  if (mode_ == PushMode::kOff) return 0;
  const uint64_t available = available_bytes();
  const MutexLock lock(mutex_);
  if (available < kReserveBytes || (mode_ == PushMode::kAuto && IsPaused())) return 0;
  return std::min(kMaxPlanBytes, available / kPlanShareOfAvailable);
}

void Residency::PageLookedThrough(uint64_t pushed_bytes, bool has_new_control, bool is_handed_on) {
  const MutexLock lock(mutex_);
  counts_.pushed_page_bytes += pushed_bytes;
  counts_.control_pages += has_new_control ? 1 : 0;
  ++counts_.pages;
  counts_.handed_on_pages += is_handed_on ? 1 : 0;
  if (looked_through_ >= kLookedThroughWindow) {
    looked_through_ /= 2;
    handed_on_ /= 2;
  }
  ++looked_through_;
  handed_on_ += is_handed_on ? 1 : 0;
}

void Residency::ControlRead() {
  const MutexLock lock(mutex_);
  ++counts_.control_pages_read;
}

void Residency::SamplePushed() {
  const MutexLock lock(mutex_);
  if (++window_pushed_ < kWindowSamples) return;
  window_pushed_ = 0;
  window_dropped_ = 0;
  next_pause_ = std::chrono::seconds(1);
}

bool Residency::SampleDropped() {
  const MutexLock lock(mutex_);
  ++counts_.dropped_samples;
  // What memory pressure drops at one time comes to light one by one: that is no reason for a second pause.
  if (IsPaused()) return false;
  if (++window_dropped_ < std::max(kMinDropped, window_pushed_ / kDroppedShare)) return false;
  ++counts_.pauses;
  paused_until_.store(environment_.now() + next_pause_, std::memory_order_relaxed);
  next_pause_ = std::min(next_pause_ * 2, kLongestPause);
  window_pushed_ = 0;
  window_dropped_ = 0;
  return true;
}

PushFigures Residency::figures() const {
  return {.pages = counts_.pages.get(),
          .handed_on_pages = counts_.handed_on_pages.get(),
          .control_pages = counts_.control_pages.get(),
          .control_pages_read = counts_.control_pages_read.get(),
          .pushed_page_bytes = counts_.pushed_page_bytes.get(),
          .dropped_samples = counts_.dropped_samples.get(),
          .pauses = counts_.pauses.get(),
          .is_paused = IsPaused(),
          .is_memory_short = IsShort(),
          .available_bytes = available_bytes()};
}

}  // namespace quire
