#include "fs/push_budget.h"

#include <algorithm>
#include <utility>

namespace quire {
namespace {

constexpr std::chrono::milliseconds kLookEvery{100};
// Beside what is cached, programs want memory in a hurry.
constexpr uint64_t kReserveBytes = 64 << 20;
// Of what is available, the share that samples may take: the rest are other people's files.
constexpr uint64_t kShareOfAvailable = 2;
// The kernel keeps as much on its inactive list as on the active one. A sample that was pushed and then read moves to
// the active list, and for each another comes back from there: so what is pushed stays for a quarter of the memory to
// go by before it is dropped. Half of that, to be safe: with all of it a third was dropped unread.
constexpr uint64_t kPlanShareOfAvailable = 8;
// A quarter of a second of reading at 1 GB/s; further ahead than that nothing becomes quicker.
constexpr uint64_t kMaxPlanBytes = 256 << 20;
// Pushed on trust, before any of it was seen to be read: 0.1 to 0.4 s of one core's time.
constexpr uint64_t kTrustBytes = 512 << 20;
// Beyond, so many times what was seen to be read: in a shuffled epoch the first reads of a page come long before its
// last, so that a share of 1 in 8 read is a good sign.
constexpr uint64_t kTrustTimesRead = 8;
// One in eight dropped before it was read: a push costs a third of what a read saves, so it still pays, but memory is
// short, and pushing makes it shorter.
constexpr uint64_t kDroppedShare = 8;
constexpr uint64_t kMinDropped = 64;
constexpr uint64_t kWindowSamples = 4096;
constexpr std::chrono::seconds kLongestPause{64};

}  // namespace

PushBudget::PushBudget(PushMode mode, uint64_t data_bytes, Environment environment)
    : mode_(mode), data_bytes_(data_bytes), environment_(std::move(environment)) {}

uint64_t PushBudget::AvailableLocked() {
  const auto now = environment_.now();
  if (!has_looked_ || now - looked_at_ >= kLookEvery) {
    available_bytes_ = environment_.available_bytes();
    looked_at_ = now;
    has_looked_ = true;
  }
  return available_bytes_;
}

bool PushBudget::IsPausedLocked() { return environment_.now() < paused_until_; }

bool PushBudget::DataFits() {
  const std::scoped_lock lock(mutex_);
  return data_bytes_ <= AvailableLocked() / kShareOfAvailable;
}

bool PushBudget::AllowsPage(bool in_run) {
  if (mode_ == PushMode::kOff) return false;
  const std::scoped_lock lock(mutex_);
  if (AvailableLocked() < kReserveBytes) return false;
  const bool fits = data_bytes_ <= available_bytes_ / kShareOfAvailable;
  if (!fits && is_plan_active_.load(std::memory_order_relaxed)) return false;
  if (mode_ == PushMode::kOn) return true;
  if (IsPausedLocked()) return false;
  if (!in_run && !fits) return false;
  return figures_.pushed_page_bytes <= kTrustBytes + kTrustTimesRead * figures_.read_page_bytes;
}

uint64_t PushBudget::PlanBytes() {
  if (mode_ == PushMode::kOff) return 0;
  const std::scoped_lock lock(mutex_);
  const uint64_t available_bytes = AvailableLocked();
  if (available_bytes < kReserveBytes || (mode_ == PushMode::kAuto && IsPausedLocked())) return 0;
  return std::min(kMaxPlanBytes, available_bytes / kPlanShareOfAvailable);
}

void PushBudget::PagePushed(uint64_t bytes, bool has_new_control) {
  const std::scoped_lock lock(mutex_);
  figures_.pushed_page_bytes += bytes;
  figures_.control_pages += has_new_control ? 1 : 0;
}

void PushBudget::ControlRead(uint64_t page_bytes) {
  const std::scoped_lock lock(mutex_);
  ++figures_.control_pages_read;
  figures_.read_page_bytes += page_bytes;
}

void PushBudget::SamplePushed() {
  const std::scoped_lock lock(mutex_);
  if (++window_pushed_ < kWindowSamples) return;
  window_pushed_ = 0;
  window_dropped_ = 0;
  next_pause_ = std::chrono::seconds(1);
}

void PushBudget::SampleDropped() {
  const std::scoped_lock lock(mutex_);
  ++figures_.dropped_samples;
  // What memory pressure drops at one time comes to light one by one: that is no reason for a second pause.
  if (IsPausedLocked()) return;
  if (++window_dropped_ < std::max(kMinDropped, window_pushed_ / kDroppedShare)) return;
  ++figures_.pauses;
  paused_until_ = environment_.now() + next_pause_;
  next_pause_ = std::min(next_pause_ * 2, kLongestPause);
  window_pushed_ = 0;
  window_dropped_ = 0;
}

PushFigures PushBudget::figures() const {
  const std::scoped_lock lock(mutex_);
  PushFigures figures = figures_;
  figures.is_paused = environment_.now() < paused_until_;
  figures.available_bytes = available_bytes_;
  return figures;
}

}  // namespace quire
