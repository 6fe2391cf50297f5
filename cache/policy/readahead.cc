// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/readahead.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Evidence adds up in bits: an access as near to a run as this is by chance once in 2^bits. From each, 3 bits go off,
// twice what chance gives on average (1.44): so a run that chance feeds sinks in the long run.
constexpr double kBitsForChance = 3;
constexpr double kBitsToConfirm = 12;
constexpr double kMostBits = 24;  // so that a run which ends is forgotten after some accesses near it
// A gap of more than two lengths is a stride, which leaves most of the bytes unread. At a page's first access up to
// eight readers' samples may come first.
constexpr uint64_t kGapLengths = 2;
constexpr uint64_t kPageGapLengths = 8;
// Eight readers of whole pages are eight pages apart; but a run must not cover much of a small volume.
constexpr uint64_t kMostReachPages = 8;
constexpr uint64_t kPagesForReach = 64;
constexpr double kShareInertia = 256;
// A small volume is soon read whole, so a prefetch there is seldom wrong: it is judged like one of 128 MiB.
constexpr uint64_t kLeastPages = 64;
// In accesses, of all runs together: 4 for each of 32 runs, and 32 for one that has proved itself.
constexpr uint64_t kLifeUnconfirmed = 128;
constexpr uint64_t kLifeConfirmed = 1024;
constexpr uint32_t kLeastBandwidthDelayPages = 2;

uint64_t PageBehind(uint64_t head) { return CeilDiv(head, kPageBytes); }

}  // namespace

Readahead::Readahead(uint64_t pages, uint32_t budget_pages)
    : pages_(pages),
      budget_pages_(budget_pages),
      reach_bytes_(std::clamp<uint64_t>(pages / kPagesForReach, 1, kMostReachPages) * kPageBytes) {}

Readahead::Advice Readahead::Access(uint64_t offset, uint32_t bytes) {
  ++accesses_;
  EndOldRuns();
  const bool begins_page = offset % kPageBytes <= kPageGapLengths * bytes;
  page_begin_share_ += ((begins_page ? 1 : 0) - page_begin_share_) / kShareInertia;
  Advice advice;
  const uint64_t end = offset + bytes;
  Run* const run = FindRun(offset);
  if (run == nullptr) {
    OldestRun() = {.head = end, .advised_page = 0, .fed_at = accesses_, .evidence = 0, .is_confirmed = false};
    run_count_ += run_count_ < kMaxRuns ? 1 : 0;
    return advice;
  }
  run->fed_at = accesses_;
  if (offset >= run->head) run->evidence = std::clamp(run->evidence + Evidence(*run, offset, bytes), 0.0, kMostBits);
  run->head = std::max(run->head, end);
  if (run->evidence >= kBitsToConfirm) run->is_confirmed = true;
  if (run->evidence == 0) run->is_confirmed = false;
  if (run->is_confirmed) Advise(*run, advice);
  return advice;
}

void Readahead::PrefetchUsed() {
  PrefetchDeclined();
  window_pages_ = std::min(window_pages_ * 2, bandwidth_delay_pages_);
}

void Readahead::PrefetchWasted() {
  PrefetchDeclined();
  window_pages_ = std::max(window_pages_ / 2, 1U);
}

void Readahead::PrefetchDeclined() { outstanding_pages_ -= outstanding_pages_ > 0 ? 1 : 0; }

void Readahead::SetBandwidthDelay(uint32_t pages) {
  bandwidth_delay_pages_ = std::max(pages, kLeastBandwidthDelayPages);
  window_pages_ = std::min(window_pages_, bandwidth_delay_pages_);
}

void Readahead::EndOldRuns() {
  for (Run& run : runs_) {
    if (run.fed_at == 0 || accesses_ - run.fed_at <= (run.is_confirmed ? kLifeConfirmed : kLifeUnconfirmed)) continue;
    run = {};
    --run_count_;
  }
}

// The nearest; one whose head is not far behind the access before one whose head is ahead of it.
Readahead::Run* Readahead::FindRun(uint64_t offset) {
  Run* nearest = nullptr;
  uint64_t least_distance = 0;
  for (Run& run : runs_) {
    if (run.fed_at == 0) continue;
    const uint64_t reach = std::max(run.head + reach_bytes_, run.is_confirmed ? run.advised_page * kPageBytes : 0);
    if (offset > reach || offset + reach_bytes_ < run.head) continue;
    const uint64_t distance = offset >= run.head ? offset - run.head : run.head - offset + reach_bytes_;
    if (nearest != nullptr && distance >= least_distance) continue;
    nearest = &run;
    least_distance = distance;
  }
  return nearest;
}

Readahead::Run& Readahead::OldestRun() {
  return *std::ranges::min_element(runs_, {}, [](const Run& run) {
    return run.fed_at == 0 ? 0 : run.fed_at + (run.is_confirmed ? kLifeConfirmed : 0);
  });
}

double Readahead::Evidence(const Run& run, uint64_t offset, uint32_t bytes) const {
  assert(offset >= run.head);
  const uint64_t length = std::max<uint64_t>(bytes, 1);
  const auto judged_pages = static_cast<double>(std::max(pages_, kLeastPages));
  // By chance, the access might have come before or behind the place as well.
  const auto share_of_volume = [&](uint64_t gap) {
    return static_cast<double>(2 * gap + length) / (judged_pages * kPageBytes);
  };
  double chance = 1;
  if (const uint64_t gap = offset - run.head; gap <= kGapLengths * length && gap < kPageBytes)
    chance = share_of_volume(gap);
  const uint64_t page_begin = PageBehind(run.head) * kPageBytes;
  if (offset >= page_begin && offset - page_begin <= kPageGapLengths * length && offset < page_begin + kPageBytes)
    chance = std::min(chance, std::max(share_of_volume(offset - page_begin), page_begin_share_ / judged_pages));
  // Two places for each run: where it stands, and the next page.
  const double evidence = std::max(-std::log2(chance * 2 * run_count_), 0.0) - kBitsForChance;
  // Readers that overtake each other by pages do so among those advised, which they were to find.
  return offset < run.advised_page * kPageBytes ? std::max(evidence, 0.0) : evidence;
}

void Readahead::Advise(Run& run, Advice& advice) {
  advice.in_run = true;
  const uint64_t behind = PageBehind(run.head);
  const uint64_t first = std::max(run.advised_page, behind);
  const uint64_t end = std::min(behind + window_pages_, pages_);
  const uint32_t left = budget_pages_ - std::min(budget_pages_, outstanding_pages_);
  if (first >= end || left == 0) return;
  advice.first_page = first;
  advice.pages = static_cast<uint32_t>(std::min<uint64_t>(end - first, left));
  run.advised_page = first + advice.pages;
  outstanding_pages_ += advice.pages;
}

}  // namespace quire
