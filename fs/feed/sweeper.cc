// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/sweeper.h"

#include <chrono>

namespace quire {
namespace {

// A volume that holds nothing to sweep may hold something a little later: its folders are being listed meanwhile.
constexpr std::chrono::milliseconds kBetweenPasses{200};

// Where it comes late, the disk has nothing to do: few pages are in flight. It needs next to no time.
constexpr int kNice = -15;

}  // namespace

Sweeper::Sweeper(const Index& index, PageCache& cache, const KernelView& view)
    : index_(index), cache_(cache), view_(view) {}

Result<void> Sweeper::Start() {
  return thread_.Start("quire-sweep", [this](const std::stop_token& stop) { Run(stop); });
}

void Sweeper::Wake() {
  if (cache_.residency().SweepAllowance() > 0) thread_.Wake();
}

void Sweeper::Run(const std::stop_token& stop) {
  PutThreadFirst(kNice);
  while (!stop.stop_requested()) {
    auto outcome = PageCache::SweepOutcome::kBegun;
    while (outcome == PageCache::SweepOutcome::kBegun && !stop.stop_requested()) {
      if (cache_.residency().SweepAllowance() == 0) break;
      outcome = SweepNext(stop);
    }
    if (outcome == PageCache::SweepOutcome::kNotNeeded) thread_.Pause(stop, kBetweenPasses);
    thread_.Sleep(stop);
  }
}

PageCache::SweepOutcome Sweeper::SweepNext(const std::stop_token& stop) {
  const uint64_t pages = cache_.page_count();
  for (uint64_t looked_at = 0; looked_at < pages && !stop.stop_requested(); ++looked_at) {
    const uint64_t page = next_page_ < pages ? next_page_ : 0;
    if (cache_.MayBeSwept(page) && CanBePushed(page)) {
      const auto outcome = cache_.Sweep(page);
      if (outcome == PageCache::SweepOutcome::kNoSlot) return outcome;
      next_page_ = page + 1;
      if (outcome == PageCache::SweepOutcome::kBegun) return outcome;
    }
    next_page_ = page + 1;
  }
  return PageCache::SweepOutcome::kNotNeeded;
}

// The folder that holds the samples of a page has been listed, or it has not: two of them tell enough.
bool Sweeper::CanBePushed(uint64_t page) const {
  const auto place = cache_.PlaceOf(page);
  for (const uint64_t offset : {place.begin, place.begin + (place.end - place.begin) / 2}) {
    const auto number = index_.FindExtentFrom(place.volume, offset);
    if (!number || *number >= index_.extent_count()) continue;
    const auto extent = index_.GetExtent(*number);
    if (extent && extent->node < index_.node_count() && view_.IsKnown(extent->node)) return true;
  }
  return false;
}

}  // namespace quire
