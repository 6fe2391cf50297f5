// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_parts.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "format/rounding.h"

namespace quire {
namespace {

// The list of layers, and what is read around it: 64 KiB of records, some blocks of sums.
constexpr size_t kMostEarly = 16;

}  // namespace

Result<void> TierParts::Take(std::span<const TierKey> keys) {
  const uint64_t before = end_bytes();
  for (const TierKey& key : keys) {
    if (key.volume_bytes <= before) continue;
    const size_t count = parts().size();
    assert(count < parts_.size());
    auto volume = TierVolume::Open(tier_, key, peers_);
    if (!volume) return Propagate(std::move(volume));
    if (future_ != nullptr) (*volume)->Follow(future_, number_);
    // What was there before stays that of the part by which it may be on its way.
    parts_[count] = {.begin = std::max(key.first_page * kPageBytes, before), .volume = *std::move(volume)};
    count_.store(count + 1, std::memory_order_release);
  }
  Trust();
  std::vector<Early> early;
  {
    const MutexLock lock(mutex_);
    std::swap(early, early_);
  }
  for (const Early& one : early) {
    TierVolume* const part = Find(one.offset, 1);
    if (part == nullptr) continue;
    const uint64_t begin = AlignDown(one.offset, UnitSet::kUnitBytes);
    part->KeepUnits(begin, one.bytes.get(), std::min<uint64_t>(one.count, part->end_bytes() - begin));
  }
  return {};
}

void TierParts::KeepLater(uint64_t offset, AlignedBytes from, size_t bytes) {
  const MutexLock lock(mutex_);
  if (early_.size() < kMostEarly) early_.push_back({.offset = offset, .bytes = std::move(from), .count = bytes});
}

void TierParts::Forget() {
  {
    const MutexLock lock(mutex_);
    early_.clear();
  }
  Trust();
}

TierVolume* TierParts::Find(uint64_t offset, uint64_t bytes) const {
  const auto parts = this->parts();
  const auto behind = std::ranges::upper_bound(parts, offset, {}, &Part::begin);
  if (behind == parts.begin()) return nullptr;
  TierVolume* const volume = std::prev(behind)->volume.get();
  return offset < volume->end_bytes() && offset + bytes <= AlignUp(volume->end_bytes(), UnitSet::kUnitBytes) ? volume
                                                                                                             : nullptr;
}

uint64_t TierParts::end_bytes() const {
  const auto parts = this->parts();
  return parts.empty() ? 0 : parts.back().volume->end_bytes();
}

void TierParts::Follow(const std::shared_ptr<TierFuture>& future, uint16_t number) {
  future_ = future;
  number_ = number;
  for (const Part& part : parts()) part.volume->Follow(future, number);
}

void TierParts::Cancel() {
  for (const Part& part : parts()) part.volume->Cancel();
}

void TierParts::AddTo(TierFigures& figures) const {
  for (const Part& part : parts()) part.volume->AddTo(figures);
}

}  // namespace quire
