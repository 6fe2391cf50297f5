// SPDX-License-Identifier: Apache-2.0
// Writes pages that came from far away into the tier, from the arena's memory, behind those who read them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "cache/page/page_keeper.h"
#include "cache/tier/tier_fetcher.h"
#include "cache/tier/tier_source.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class TierKeeper final : public PageKeeper {
 public:
  // At most `most_waiting` pages are pinned; what comes beyond is not kept, and fetched again when it is needed.
  // `fetcher`, which may be null and must outlive the keeper, is told of the future.
  TierKeeper(TierVolumes volumes, size_t most_waiting, TierFetcher* fetcher);
  ~TierKeeper() override;

  Result<void> Start();

  [[nodiscard]] bool Wants(const VolumeSet::Page& page) const override;
  void SetFuture(std::vector<VolumeSet::Page> pages) override;
  void FillEnded(const VolumeSet::Page& page, const UnitSet& units, std::optional<ExtentPin> pin) override;

  // The pack has these layers by now: what it has grown by is kept from now on too. The log hears of an error.
  void Grow(const IndexLayers& layers);

  [[nodiscard]] TierFigures figures() const;
  // Where the tier holds a volume; empty where it does not. Any thread.
  [[nodiscard]] std::string FolderOf(uint16_t volume) const {
    return volume < volumes_.size() && volumes_[volume] != nullptr ? volumes_[volume]->folder() : "";
  }

 private:
  struct Job {
    TierVolume* volume = nullptr;
    uint64_t page = 0;
    UnitSet units;
    ExtentPin pin;  // none: to be given up
  };
  [[nodiscard]] TierVolume* KeeperOf(const VolumeSet::Page& page) const {
    return FindKeeper(volumes_, page.volume, page.number * kPageBytes);
  }
  void Work(const std::stop_token& stop);

  const TierVolumes volumes_;
  const size_t most_waiting_;
  TierFetcher* const fetcher_;
  const std::shared_ptr<TierFuture> future_ = std::make_shared<TierFuture>();
  Mutex mutex_;
  ConditionVariable changed_;
  std::deque<Job> jobs_ QUIRE_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;  // last: they use all above
};

}  // namespace quire
