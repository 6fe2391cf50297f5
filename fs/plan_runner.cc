#include "fs/plan_runner.h"

#include <algorithm>
#include <utility>

#include "cache/background_thread.h"
#include "format/coding.h"

namespace quire {
namespace {

// A window of fewer would come to a standstill between two markers.
constexpr uint64_t kMinWindowPlaces = 4 * Plan::kMarkerSpacing;
constexpr uint64_t kMaxWindowPlaces = 1 << 16;
constexpr std::chrono::milliseconds kLookAgain{100};  // at memory, which changes without a word

}  // namespace

PlanRunner::PlanRunner(const Index& index, SampleReader& samples, Plan& plan, KernelView& view, KernelStore& store,
                       PushBudget& budget)
    : index_(index),
      samples_(samples),
      plan_(plan),
      view_(view),
      store_(store),
      budget_(budget),
      mean_sample_bytes_(
          std::max<uint64_t>(1, index.superblock().stored_bytes / std::max<uint64_t>(1, index.superblock().samples))),
      // The other half is for those who did not know what they would read.
      max_in_flight_bytes_(samples.cache().slab_bytes() / 2),
      planned_(kMaxInFlight) {
  for (Planned& planned : planned_) {
    planned.runner = this;
    planned.done = Arrived;
    planned.next = std::exchange(free_, &planned);
  }
}

PlanRunner::~PlanRunner() { Stop(); }

Result<void> PlanRunner::Start() {
  auto thread = StartBackgroundThread("quire-ahead", [this](const std::stop_token& stop) { Run(stop); });
  if (!thread) return Propagate(std::move(thread));
  thread_ = *std::move(thread);
  return {};
}

void PlanRunner::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  Planned* arrived = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    is_stopped_ = true;
    arrived = std::exchange(arrived_, nullptr);
  }
  // Without the lock: whatever waited for that memory may be answered here, other reads of the runner among them.
  for (; arrived != nullptr; arrived = arrived->next) arrived->bytes = SampleBytes();
}

void PlanRunner::Wake() {
  {
    const std::scoped_lock lock(mutex_);
    has_changed_ = true;
  }
  changed_.notify_one();
}

void PlanRunner::FutureChanged() {
  {
    const std::scoped_lock lock(mutex_);
    has_changed_ = true;
    future_changed_ = true;
  }
  changed_.notify_one();
}

void PlanRunner::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    has_changed_ = false;
    const bool tells_future = std::exchange(future_changed_, false);
    if (Planned* const planned = arrived_) {
      arrived_ = planned->next;
      if (arrived_ == nullptr) arrived_end_ = &arrived_;
      lock.unlock();
      Store(planned->number, planned->bytes, planned->is_marker);
      planned->bytes = SampleBytes();
      lock.lock();
      in_flight_bytes_ -= planned->SampleRead::bytes;
      planned->next = std::exchange(free_, planned);
      future_changed_ = future_changed_ || tells_future;
      continue;
    }
    const bool has_room = free_ != nullptr && in_flight_bytes_ < max_in_flight_bytes_;
    lock.unlock();
    budget_.SetPlanActive(plan_.is_active());
    if (tells_future) TellFuture();
    const auto step = has_room && plan_.is_active() ? plan_.Next(WindowPlaces()) : std::nullopt;
    if (step) {
      Prefetch(*step);
      continue;
    }
    lock.lock();
    const auto is_changed = [this] { return has_changed_ || arrived_ != nullptr; };
    if (plan_.is_active())
      changed_.wait_for(lock, stop, kLookAgain, is_changed);
    else
      changed_.wait(lock, stop, is_changed);
  }
}

// Without pushing, as much as stays in memory until it is read.
uint64_t PlanRunner::WindowPlaces() {
  const uint64_t push_bytes = store_.is_supported() ? budget_.PlanBytes() : 0;
  pushes_again_ = !budget_.DataFits();
  const uint64_t bytes = push_bytes > 0 ? push_bytes : max_in_flight_bytes_ / 2;
  return std::clamp(bytes / mean_sample_bytes_, push_bytes > 0 ? kMinWindowPlaces : 1, kMaxWindowPlaces);
}

// Samples of several extents are left to the kernel's readahead, which asks for what comes next in a file by itself.
void PlanRunner::Prefetch(const Plan::Step& step) {
  const auto node = index_.GetNode(step.node);
  if (!node || node->kind != NodeKind::kFile || node->size_bytes == 0) return;
  if (pushes_again_)
    view_.Renew(step.node);
  else if (view_.IsSettled(step.node))
    return;
  SampleBytes ready;
  if (samples_.TryRead(*node, 0, node->size_bytes, ready)) return Store(step.node, ready, step.is_marker);
  std::unique_lock lock(mutex_);
  Planned& planned = *std::exchange(free_, free_->next);
  in_flight_bytes_ += node->size_bytes;
  lock.unlock();
  planned.node = *node;
  planned.number = step.node;
  planned.is_marker = step.is_marker;
  planned.offset = 0;
  planned.SampleRead::bytes = node->size_bytes;
  samples_.Start(planned);
}

void PlanRunner::Arrived(SampleRead& read, Result<SampleBytes> result) {
  auto& planned = static_cast<Planned&>(read);
  PlanRunner& runner = *planned.runner;
  {
    const std::scoped_lock lock(runner.mutex_);
    if (runner.is_stopped_) return;
    // What cannot be read is told to whoever reads it.
    if (result) planned.bytes = *std::move(result);
    planned.next = nullptr;
    *runner.arrived_end_ = &planned;
    runner.arrived_end_ = &planned.next;
  }
  runner.changed_.notify_one();
}

void PlanRunner::Store(NodeNumber number, const SampleBytes& bytes, bool is_marker) {
  if (is_marker || bytes.slices().size() != 1 || !view_.IsKnown(number)) return;
  if (view_.IsSettled(number) || budget_.PlanBytes() == 0) return;  // its reader may have been quicker
  if (store_.Store(number, bytes.slices()[0])) budget_.SamplePushed();
}

// Where every page has a slot, nothing needs to be chosen.
void PlanRunner::TellFuture() {
  if (samples_.cache().fits()) return;
  std::vector<uint64_t> pages;
  for (const NodeNumber number : plan_.Future()) {
    const auto node = index_.GetNode(number);
    if (!node || node->kind != NodeKind::kFile || node->size_bytes == 0) continue;
    if (const auto extent = index_.GetExtent(node->content)) pages.push_back(extent->offset / kPageBytes);
  }
  samples_.cache().SetFuture(pages);
}

}  // namespace quire
