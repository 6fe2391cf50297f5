// SPDX-License-Identifier: Apache-2.0
// What a plan of this process tells of the pages to come, for the choice of those of its own that leave a tier.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "cache/policy/eviction_policy.h"
#include "cache/volume/volume_set.h"
#include "format/mutex.h"

namespace quire {

// Thread-safe.
class TierFuture {
 public:
  // The pages that will be read, in this order; replaces what was told before, and empty ends it.
  void Set(std::span<const VolumeSet::Page> pages) QUIRE_EXCLUDES(mutex_) {
    std::vector<uint64_t> ids;
    ids.reserve(pages.size());
    for (const VolumeSet::Page& page : pages) ids.push_back(IdOf(page.volume, page.number));
    // A long one takes its time, and is made before the lock is taken.
    auto policy = MakeBeladyPolicy(0);
    policy->SetFuture(ids);
    const MutexLock lock(mutex_);
    std::swap(policy_, policy);
    is_known_ = !ids.empty();
  }

  // The page is read from the tier, or brought to it.
  void Access(uint16_t volume, uint64_t page) QUIRE_EXCLUDES(mutex_) {
    if (!is_known_.load(std::memory_order_relaxed)) return;
    const MutexLock lock(mutex_);
    policy_->Access(IdOf(volume, page));
  }

  // What has a lower rank goes first: pages that no plan tells of, by the time of their use, then the one that is
  // needed last.
  [[nodiscard]] uint64_t Rank(uint16_t volume, uint64_t page, uint64_t used_at_ms) const QUIRE_EXCLUDES(mutex_) {
    if (!is_known_.load(std::memory_order_relaxed)) return used_at_ms;
    const MutexLock lock(mutex_);
    return policy_->Rank({.page = IdOf(volume, page), .used_at = used_at_ms}).value_or(used_at_ms);
  }

 private:
  // A volume has at most 2^50 bytes (tier_map.cc), which are 2^29 pages.
  static uint64_t IdOf(uint16_t volume, uint64_t page) { return uint64_t{volume} << 48 | page; }

  std::atomic<bool> is_known_ = false;
  mutable Mutex mutex_;
  std::unique_ptr<EvictionPolicy> policy_ QUIRE_GUARDED_BY(mutex_) = MakeBeladyPolicy(0);
};

}  // namespace quire
