// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/plan.h"

#include <algorithm>

namespace quire {

// Made and ended with the lock held, as the analysis cannot see.
class Plan::Change {
 public:
  explicit Change(Plan& plan) : plan_(plan) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() QUIRE_UNCHECKED_LOCKS {
    Counts& counts = plan_.counts_;
    counts.ahead.Set(plan_.next_ - std::min(plan_.next_, plan_.consumed_));
    counts.left.Set(plan_.end() - plan_.next_);
    counts.memory_bytes.Set(plan_.nodes_.memory_bytes() + plan_.places_.memory_bytes());
  }

 private:
  Plan& plan_;
};

void Plan::Begin() {
  const MutexLock lock(mutex_);
  const Change change(*this);
  while (!beginnings_.empty() && beginnings_.front() < consumed_) beginnings_.pop_front();
  if (!beginnings_.empty() && beginnings_.back() == end()) return;  // the last plan told nothing
  if (beginnings_.size() >= 2) GoOnAt(beginnings_.back());
  last_beginning_ = end();
  beginnings_.push_back(last_beginning_);
}

void Plan::Append(NodeNumber node) {
  const MutexLock lock(mutex_);
  const Change change(*this);
  ++counts_.told;
  if (end() - std::max(last_beginning_, base_) >= kMaxPlaces) {
    ++counts_.ignored;
    return;
  }
  if (nodes_.size() >= kMaxPlacesOfAll) GoOnAt(last_beginning_);
  nodes_.Append(node);
  is_active_.store(true, std::memory_order_relaxed);
}

std::optional<Plan::Step> Plan::Next(uint64_t window) {
  const MutexLock lock(mutex_);
  const Change change(*this);
  if (next_ >= end() || next_ >= consumed_ + window) return std::nullopt;
  const uint64_t place = next_++;
  Register();
  ++counts_.prefetched;
  return Step{.node = At(place), .is_marker = place % kMarkerSpacing == 0};
}

Plan::Verdict Plan::Read(NodeNumber node) {
  if (!is_active()) return Verdict::kNoPlan;
  const MutexLock lock(mutex_);
  const Change change(*this);
  Register();
  const auto place = PlaceOf(node);
  if (place && *place < next_ + kLatePlaces) {
    ++counts_.expected_reads;
    if (*place < consumed_) return Verdict::kExpected;  // late, or by chance: whoever reads at random meets such places
    unexpected_in_a_row_ = 0;
    far_reads_ = 0;
    if (*place >= next_) {
      const uint64_t ahead = std::min(*place + 1 + margin_, end());
      counts_.overtaken += ahead - next_;
      next_ = ahead;
      margin_ = std::min(margin_ * 2, kMaxMargin);
    } else {
      margin_ = std::max(margin_ / 2, kMinMargin);
    }
    MoveTo(*place + 1);
    return Verdict::kExpected;
  }
  if (place) {  // far ahead: either the readers, or somebody else who reads one of these samples
    const uint64_t distance = *place >= far_place_ ? *place - far_place_ : far_place_ - *place;
    far_reads_ = distance <= kLatePlaces ? far_reads_ + 1 : 1;
    far_place_ = *place;
    if (far_reads_ >= kReadsToJump) {
      counts_.overtaken += *place + 1 - next_;
      next_ = *place + 1;
      MoveTo(next_);
      unexpected_in_a_row_ = 0;
      far_reads_ = 0;
      ++counts_.expected_reads;
      return Verdict::kExpected;
    }
  }
  ++counts_.unexpected_reads;
  // Perhaps the readers went past a sample's first place unseen, and are far beyond, where Register has not come yet.
  if (++unexpected_in_a_row_ % kReadsToJump == 0) unseen_until_ = next_ + kLookahead;
  if (unexpected_in_a_row_ < kMaxUnexpected) return Verdict::kUnexpected;
  unexpected_in_a_row_ = 0;
  ++counts_.forgotten_plans;
  // What a later plan tells may still come, and some of it was prefetched, perhaps.
  const auto later = std::ranges::upper_bound(beginnings_, consumed_);
  const uint64_t beginning = later == beginnings_.end() ? end() : *later;
  GoOnAt(beginning);
  return Verdict::kForgotten;
}

Plan::Stretch Plan::stretch() const {
  const MutexLock lock(mutex_);
  return {.readers = std::clamp(consumed_, base_, end()), .end = end()};
}

std::vector<NodeNumber> Plan::Future(uint64_t place, uint64_t at_most) const {
  const MutexLock lock(mutex_);
  const uint64_t begin = std::clamp(std::max(place, consumed_), base_, end());
  std::vector<NodeNumber> samples(std::min(at_most, end() - begin));
  for (uint64_t i = 0; i < samples.size(); ++i) samples[i] = At(begin + i);
  return samples;
}

PlanFigures Plan::figures() const {
  return {.told = counts_.told.get(),
          .ignored = counts_.ignored.get(),
          .prefetched = counts_.prefetched.get(),
          .overtaken = counts_.overtaken.get(),
          .expected_reads = counts_.expected_reads.get(),
          .unexpected_reads = counts_.unexpected_reads.get(),
          .forgotten_plans = counts_.forgotten_plans.get(),
          .ahead = counts_.ahead.get(),
          .left = counts_.left.get(),
          .memory_bytes = counts_.memory_bytes.get() + follower_bytes_.load(std::memory_order_relaxed)};
}

std::optional<uint64_t> Plan::PlaceOf(NodeNumber node) const {
  const auto low = places_.FindLowPlace(node);
  if (!low) return std::nullopt;
  // All places in the table are among [base_, registered_): the difference from the last of them is exact.
  return registered_ - 1 - ((registered_ - 1 - *low) & PlaceTable::kPlaceMask);
}

// Ahead of the prefetching, so that readers who overtake it are recognised; but not a sample's second place before the
// readers have passed its first, all of them if possible: else a read of the first would look like one of the second
// and move the plan there, and so the next, until it has run away.
void Plan::Register() {
  const uint64_t until = std::min({next_ + kLookahead, end(), base_ + kMaxRegistered});
  for (; registered_ < until; ++registered_) {
    const NodeNumber node = At(registered_);
    if (const auto first = PlaceOf(node)) {
      const uint64_t distance = registered_ - *first;
      if (distance < kNearPlaces) {
        if (*first >= consumed_ && registered_ >= next_) return;
        if (*first >= consumed_) continue;  // one place of the two is enough to see the readers there
      } else if (consumed_ < *first + std::min(kLatePlaces, distance / 2) && registered_ >= unseen_until_) {
        return;
      }
    }
    places_.Set(node, registered_);
  }
}

void Plan::MoveTo(uint64_t place) {
  consumed_ = place;
  DropBefore(place - std::min(place, kLatePlaces));
  is_active_.store(consumed_ < end(), std::memory_order_relaxed);
}

// What lies before is neither prefetched nor waited for any more.
void Plan::GoOnAt(uint64_t beginning) {
  next_ = std::max(next_, beginning);
  MoveTo(std::max(consumed_, beginning));
}

void Plan::DropBefore(uint64_t place) {
  const uint64_t until = std::clamp(place, base_, end());
  for (uint64_t at = base_; at < std::min(until, registered_); ++at) places_.Erase(At(at), at);
  nodes_.DropFirst(until - base_);
  base_ = until;
  registered_ = std::max(registered_, base_);
}

}  // namespace quire
