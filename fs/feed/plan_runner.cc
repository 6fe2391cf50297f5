// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/plan_runner.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "format/coding.h"
#include "format/mutex.h"
#include "format/zeroed_array.h"

namespace quire {
namespace {

constexpr const char* kThreadName = "quire-ahead";
// A window of fewer would come to a standstill between two markers.
constexpr uint64_t kMinWindowPlaces = 4 * Plan::kMarkerSpacing;
constexpr uint64_t kMaxWindowPlaces = 1 << 16;
constexpr std::chrono::milliseconds kLookAgain{100};  // at memory, which changes without a word

// What a ring of the fill engine reads at a time: 64 parts of 256 KiB. So copies never keep the disk waiting.
constexpr size_t kMaxRingBytes = size_t{16} << 20;
// A sample of one extent lies in one page, and CopyRing wants room for two that it has not.
constexpr size_t kSpareRingBytes = 2 * kPageBytes;

// How much of the future the cache is told at a time. The farthest page of many that are resident is evicted: in a
// million samples nearly all of them come, and of those that do not any is right. 8 MiB meanwhile, and 4 MiB of the
// policy's.
constexpr uint64_t kToldPlaces = uint64_t{1} << 20;
// Copied from the plan at a time, which keeps readers waiting for some microseconds.
constexpr uint64_t kPiecePlaces = 4096;

}  // namespace

PlanRunner::PlanRunner(const Index& index, SampleReader& samples, Plan& plan, KernelView& view, KernelStore& store,
                       Residency& residency)
    : index_(index),
      samples_(samples),
      plan_(plan),
      view_(view),
      store_(store),
      residency_(residency),
      mean_sample_bytes_(
          std::max<uint64_t>(1, index.superblock().stored_bytes / std::max<uint64_t>(1, index.superblock().samples))),
      // The other half is for those who did not know what they would read.
      half_of_slabs_bytes_(samples.cache().slab_bytes() / 2),
      ring_bytes_(std::min<uint64_t>(kMaxRingBytes, half_of_slabs_bytes_ + kSpareRingBytes)),
      max_in_flight_bytes_(ring_bytes_ - kSpareRingBytes),
      planned_(kMaxInFlight) {
  for (Planned& planned : planned_) {
    planned.runner = this;
    planned.done = Arrived;
    free_.PushFront(planned);
  }
}

PlanRunner::~PlanRunner() { Stop(); }

Result<void> PlanRunner::Start() {
  return thread_.Start(kThreadName, [this](const std::stop_token& stop) { Run(stop); });
}

void PlanRunner::Stop() {
  if (!thread_.is_running()) return;
  thread_.Stop();
  const MutexLock lock(mutex_);
  is_stopped_ = true;
}

void PlanRunner::Wake() {
  {
    const MutexLock lock(mutex_);
    has_changed_ = true;
  }
  changed_.notify_one();
}

void PlanRunner::FutureChanged() {
  {
    const MutexLock lock(mutex_);
    has_changed_ = true;
    future_changed_ = true;
  }
  changed_.notify_one();
}

void PlanRunner::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (RunStep(kThreadName, [&] { TakeTurn(stop); })) continue;
    // Memory is short. What was to be done is left out, and the rest goes on a little later.
    MutexLock lock(mutex_);
    changed_.wait_for(lock, stop, kLookAgain, [] { return false; });
  }
}

void PlanRunner::TakeTurn(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  has_changed_ = false;
  if (HasCopy()) {
    lock.unlock();
    return StoreFirst();
  }
  const bool tells_future = std::exchange(future_changed_, false);
  const bool has_room = !free_.empty() && in_flight_bytes_ < max_in_flight_bytes_;
  lock.unlock();
  const bool is_active = plan_.is_active();
  residency_.SetPlanActive(is_active);
  const uint64_t window = is_active ? WindowPlaces() : 0;
  KeepRing(is_active);
  if (!is_active) ForgetFuture();
  if (is_active && (tells_future || plan_.stretch().readers >= tell_again_at_)) TellFuture(stop);
  if (const auto step = has_room && is_active ? plan_.Next(window) : std::nullopt) return Prefetch(*step);
  lock.lock();
  const auto is_changed = [this]() QUIRE_REQUIRES(mutex_) { return has_changed_ || HasCopy(); };
  if (is_active)
    changed_.wait_for(lock, stop, kLookAgain, is_changed);
  else
    changed_.wait(lock, stop, is_changed);
}

// The one place where the thread waits for the kernel: without the lock, and with nothing of the cache.
void PlanRunner::StoreFirst() {
  MutexLock lock(mutex_);
  Planned& planned = *waiting_.Pop();
  lock.unlock();
  // Its reader may have been quicker.
  if (IsToBeStored(planned.node, planned.number, planned.is_marker) && residency_.PlanBytes() > 0 &&
      store_.Store({.node = planned.number, .extent = planned.node.content}, planned.copy))
    residency_.SamplePushed();
  lock.lock();
  ring_->Return(planned.copy);
  Free(planned);
}

void PlanRunner::Free(Planned& planned) {
  in_flight_bytes_ -= planned.SampleRead::bytes;
  free_.PushFront(planned);
  has_changed_ = true;
}

// The ring is there while a plan is followed and what it names is stored.
void PlanRunner::KeepRing(bool is_active) {
  const bool is_wanted = is_active && is_pushing_.load(std::memory_order_relaxed);
  if (!is_active) is_ring_refused_ = false;
  std::unique_ptr<CopyRing> ring;  // comes and goes without the lock
  MutexLock lock(mutex_);
  const bool is_there = ring_ != nullptr;
  if (is_wanted == is_there || (is_wanted && is_ring_refused_)) return;
  if (is_wanted) {
    lock.unlock();
    is_ring_refused_ = !RunStep(kThreadName, [&] { ring = std::make_unique<CopyRing>(ring_bytes_); });
    lock.lock();
    std::swap(ring_, ring);
  } else if (in_flight_bytes_ == 0) {
    std::swap(ring_, ring);
  }
  plan_.CountFollower(ring_ == nullptr ? 0 : ring_->size_bytes());
  lock.unlock();
}

// Without pushing, as much as stays in memory until it is read.
uint64_t PlanRunner::WindowPlaces() {
  const uint64_t push_bytes = store_.is_supported() ? residency_.PlanBytes() : 0;
  is_pushing_.store(push_bytes > 0, std::memory_order_relaxed);
  pushes_again_ = !residency_.HasRoom();
  const uint64_t bytes = push_bytes > 0 ? push_bytes : half_of_slabs_bytes_ / 2;
  return std::clamp(bytes / mean_sample_bytes_, push_bytes > 0 ? kMinWindowPlaces : 1, kMaxWindowPlaces);
}

bool PlanRunner::IsToBeStored(const Node& node, NodeNumber number, bool is_marker) const {
  return !is_marker && is_pushing_.load(std::memory_order_relaxed) && view_.IsKnown(number) &&
         !view_.IsSettled(number, node.content);
}

// Samples of several extents are left to the kernel's readahead, which asks for what comes next in a file by itself.
void PlanRunner::Prefetch(const Plan::Step& step) {
  const auto node = index_.GetNode(step.node);
  if (!node || node->kind != NodeKind::kFile || node->size_bytes == 0) return;
  if (node->content >= index_.extent_count()) return;
  if (pushes_again_)
    view_.Renew(node->content);
  else if (view_.IsSettled(step.node, node->content))
    return;
  SampleBytes ready;
  const bool is_ready = samples_.TryRead(*node, 0, node->size_bytes, ready);
  if (is_ready && !IsToBeStored(*node, step.node, step.is_marker)) return;
  MutexLock lock(mutex_);
  Planned& planned = *free_.Pop();
  in_flight_bytes_ += node->size_bytes;
  lock.unlock();
  planned.node = *node;
  planned.number = step.node;
  planned.is_marker = step.is_marker;
  planned.offset = 0;
  planned.SampleRead::bytes = node->size_bytes;
  if (is_ready)
    Keep(planned, std::move(ready));
  else
    samples_.Start(planned);
}

void PlanRunner::Arrived(SampleRead& read, Result<SampleBytes> result) {
  auto& planned = static_cast<Planned&>(read);
  planned.runner->Keep(planned, std::move(result));
}

// Copies what is to be stored, and lets go of what was read. Other reads that waited for that memory may be answered
// meanwhile, by this thread: so no lock is held. What cannot be read is told to whoever reads it.
void PlanRunner::Keep(Planned& planned, Result<SampleBytes> result) {
  const bool is_wanted =
      result && result->slices().size() == 1 && IsToBeStored(planned.node, planned.number, planned.is_marker);
  std::span<std::byte> copy;
  {
    const MutexLock lock(mutex_);
    if (is_stopped_) return;
    if (is_wanted && ring_ != nullptr) copy = ring_->Take(result->size());
    if (copy.empty()) {
      Free(planned);
    } else {
      planned.copy = copy;
      planned.is_copied = false;
      waiting_.Push(planned);
    }
  }
  if (!copy.empty()) {
    std::memcpy(copy.data(), result->slices()[0].data(), copy.size());
    result = SampleBytes();
    const MutexLock lock(mutex_);
    planned.is_copied = true;
  }
  changed_.notify_one();
}

// Where every page has a slot, nothing needs to be chosen, but what comes from far away may be fetched ahead.
void PlanRunner::TellFuture(const std::stop_token& stop) {
  if (!samples_.cache().wants_future()) return;
  ZeroedArray<uint64_t> pages(kToldPlaces);
  size_t count = 0;
  uint64_t place = plan_.stretch().readers;
  const uint64_t end = place + kToldPlaces;
  while (place < end) {
    const std::vector<NodeNumber> samples = plan_.Future(place, std::min(kPiecePlaces, end - place));
    if (samples.empty()) break;
    place += samples.size();
    for (const NodeNumber number : samples) {
      if (stop.stop_requested()) return;  // each look-up may wait for the disk
      const auto node = index_.GetNode(number);
      if (!node) continue;
      samples_.VisitPages(*node, [&](uint64_t page) {
        if (count < kToldPlaces && (count == 0 || pages[count - 1] != page)) pages[count++] = page;
      });
    }
  }
  samples_.cache().SetFuture({&pages[0], count});
  has_told_future_ = true;
  tell_again_at_ = place < end ? kNever : end - kToldPlaces / 2;
}

void PlanRunner::ForgetFuture() {
  tell_again_at_ = kNever;
  if (!std::exchange(has_told_future_, false)) return;
  samples_.cache().SetFuture({});
  malloc_trim(0);  // what the policy gave back lies in pieces
}

}  // namespace quire
