// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_keeper.h"

#include <utility>

#include "cache/background_thread.h"
#include "cache/log.h"
#include "cache/page_cache.h"
#include "cache/tier/pack_tier.h"

namespace quire {
namespace {

// One computes sums while the other's page is written.
constexpr unsigned kThreads = 2;

}  // namespace

TierKeeper::TierKeeper(TierVolumes volumes, size_t most_waiting, TierFetcher* fetcher)
    : volumes_(std::move(volumes)), most_waiting_(most_waiting), fetcher_(fetcher) {
  for (size_t number = 0; number < volumes_.size(); ++number)
    if (volumes_[number] != nullptr) volumes_[number]->Follow(future_, static_cast<uint16_t>(number));
}

void TierKeeper::Grow(const IndexLayers& layers) {
  if (volumes_.empty() || volumes_.front() == nullptr) return;
  TierParts& parts = *volumes_.front();
  if (const auto taken = parts.Take(TierKeysOf(parts.source(), layers)); !taken)
    Log(LogLevel::kWarning, "{}; what the pack has grown by is not kept", taken.error().message);
  if (fetcher_ != nullptr) fetcher_->LookAgain();
}

void TierKeeper::SetFuture(std::vector<VolumeSet::Page> pages) {
  std::erase_if(pages, [this](const VolumeSet::Page& page) { return KeeperOf(page) == nullptr; });
  future_->Set(pages);
  if (fetcher_ != nullptr) fetcher_->SetFuture(std::move(pages));
}

TierKeeper::~TierKeeper() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  const MutexLock lock(mutex_);
  for (const Job& job : jobs_) job.volume->GiveUp(job.page);
}

Result<void> TierKeeper::Start() {
  while (threads_.size() < kThreads) {
    auto thread = StartBackgroundThread("quire-keep", [this](const std::stop_token& stop) { Work(stop); });
    if (!thread) return Propagate(std::move(thread));
    threads_.push_back(*std::move(thread));
  }
  return {};
}

bool TierKeeper::Wants(const VolumeSet::Page& page) const {
  const TierVolume* const volume = KeeperOf(page);
  return volume != nullptr && !volume->IsKnown(page.number);
}

void TierKeeper::FillEnded(const VolumeSet::Page& page, const UnitSet& units, std::optional<ExtentPin> pin) {
  TierVolume* const volume = KeeperOf(page);
  if (volume == nullptr || !volume->HasClaim(page.number)) return;
  Job job{.volume = volume, .page = page.number, .units = units, .pin = {}};
  {
    const MutexLock lock(mutex_);
    if (pin && jobs_.size() < most_waiting_) job.pin = *std::move(pin);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void TierKeeper::Work(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (changed_.wait(lock, stop, [this]() QUIRE_REQUIRES(mutex_) { return !jobs_.empty(); })) {
    if (stop.stop_requested()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const auto bytes = job.pin.bytes();
    if (bytes.empty())
      job.volume->GiveUp(job.page);
    else
      job.volume->Keep(job.page, job.units, bytes);
    job.pin = {};
    lock.lock();
  }
}

TierFigures TierKeeper::figures() const {
  TierFigures figures;
  for (const auto& volume : volumes_)
    if (volume != nullptr) volume->AddTo(figures);
  if (fetcher_ != nullptr) figures.fetched_bytes = fetcher_->fetched_bytes();
  return figures;
}

}  // namespace quire
