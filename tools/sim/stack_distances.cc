// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/stack_distances.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace quire::lab {
namespace {

constexpr uint32_t kLeastTime = 1024;

// Marks at points of time, and how many there are behind one.
class MarkedTimes {
 public:
  explicit MarkedTimes(uint32_t times) : sums_(times + 1) {}

  void Add(uint32_t time, int32_t amount) {
    for (uint32_t at = time + 1; at < sums_.size(); at += at & -at) sums_[at] += static_cast<uint32_t>(amount);
  }
  // Those at [0, time].
  [[nodiscard]] uint32_t CountTo(uint32_t time) const {
    uint32_t count = 0;
    for (uint32_t at = time + 1; at > 0; at &= at - 1) count += sums_[at];
    return count;
  }
  // Marks [0, count), nothing else.
  void Fill(uint32_t count) {
    std::ranges::fill(sums_, 0);
    for (uint32_t at = 1; at < sums_.size(); ++at) {
      sums_[at] += at <= count ? 1 : 0;
      const uint32_t above = at + (at & -at);
      if (above < sums_.size()) sums_[above] += sums_[at];
    }
  }

 private:
  std::vector<uint32_t> sums_;
};

}  // namespace

LruCurve MeasureLru(const ReadSequence& sequence) {
  constexpr uint32_t kNever = ~uint32_t{0};
  const uint32_t times = std::max(2 * sequence.distinct_pages, kLeastTime);
  MarkedTimes marks(times);
  std::vector<uint32_t> used_at(sequence.page_numbers, kNever);
  std::vector<uint32_t> page_at(times, kNever);
  std::vector<uint64_t> reads_of_distance(size_t{sequence.distinct_pages} + 1);
  LruCurve curve{.reads = sequence.reads.size()};
  uint32_t now = 0;
  uint32_t pages = 0;
  for (const LabRead& read : sequence.reads) {
    uint32_t& used = used_at[read.page];
    if (used != kNever && used + 1 == now) {  // the page that was read last
      ++reads_of_distance[1];
      continue;
    }
    if (used == kNever) {
      ++curve.first_reads;
      ++pages;
    } else {
      ++reads_of_distance[pages - marks.CountTo(used) + 1];
      marks.Add(used, -1);
      page_at[used] = kNever;
    }
    if (now == times) {  // all pages move to the beginning, in the order of their last use
      uint32_t packed = 0;
      for (uint32_t time = 0; time < times; ++time) {
        if (page_at[time] == kNever) continue;
        const uint32_t page = std::exchange(page_at[time], kNever);
        page_at[packed] = page;
        used_at[page] = packed++;
      }
      marks.Fill(packed);
      now = packed;
    }
    used = now;
    page_at[now] = read.page;
    marks.Add(now++, 1);
  }
  curve.hits.assign(reads_of_distance.size(), 0);
  for (size_t slots = 1; slots < curve.hits.size(); ++slots)
    curve.hits[slots] = curve.hits[slots - 1] + reads_of_distance[slots];
  return curve;
}

uint64_t LruCurve::HitsWith(uint64_t slots) const {
  return hits.empty() ? 0 : hits[std::min<uint64_t>(slots, hits.size() - 1)];
}

double LruCurve::MissRatioWith(uint64_t slots) const {
  return reads == 0 ? 0 : 1 - static_cast<double>(HitsWith(slots)) / static_cast<double>(reads);
}

uint64_t LruCurve::SlotsFor(double share) const {
  if (hits.empty() || hits.back() == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(hits.back())));
  return static_cast<uint64_t>(std::ranges::lower_bound(hits, wanted) - hits.begin());
}

}  // namespace quire::lab
