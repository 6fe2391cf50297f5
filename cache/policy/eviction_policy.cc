// SPDX-License-Identifier: Apache-2.0
#include "cache/policy/eviction_policy.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace quire {
namespace {

// Above every age (misses will not reach 2^61), below every rank of a page with a next use.
constexpr uint64_t kNotConsumed = uint64_t{1} << 62;

uint64_t RankByUse(const EvictionCandidate& candidate) {
  return 2 * candidate.used_at + (candidate.used_at == candidate.filled_at ? 0 : 1);
}

uint64_t RankConsumedFirst(const EvictionCandidate& candidate) {
  return RankByUse(candidate) + (candidate.is_consumed ? 0 : kNotConsumed);
}

class Lru final : public EvictionPolicy {
 public:
  [[nodiscard]] std::optional<uint64_t> Rank(const EvictionCandidate& candidate) const override {
    return RankByUse(candidate);
  }
};

class Fifo final : public EvictionPolicy {
 public:
  [[nodiscard]] std::optional<uint64_t> Rank(const EvictionCandidate& candidate) const override {
    return candidate.filled_at;
  }
};

class Pin final : public EvictionPolicy {
 public:
  [[nodiscard]] bool prefers_consumed() const override { return true; }
  [[nodiscard]] std::optional<uint64_t> Rank(const EvictionCandidate& candidate) const override {
    if (!candidate.is_consumed) return std::nullopt;
    return RankByUse(candidate);
  }
};

class Belady final : public EvictionPolicy {
 public:
  using RankWithoutFuture = uint64_t (*)(const EvictionCandidate&);
  explicit Belady(RankWithoutFuture rank_without_future, uint32_t late_places = kLatePlaces)
      : rank_without_future_(rank_without_future), late_places_(late_places) {}

  [[nodiscard]] bool prefers_consumed() const override {
    return places_.empty() && rank_without_future_ == RankConsumedFirst;
  }

  [[nodiscard]] bool wants_accesses() const override { return !places_.empty(); }

  void SetFuture(std::span<const uint64_t> pages) override;
  void Access(uint64_t page) override;

  [[nodiscard]] std::optional<uint64_t> Rank(const EvictionCandidate& candidate) const override {
    const auto uses = uses_of_.find(candidate.page);
    if (uses == uses_of_.end()) return rank_without_future_(candidate);
    // Most often the first that is left is the next; behind skipped ones it is searched for.
    const uint32_t oldest = here_ - std::min(here_, late_places_);
    uint32_t next = uses->second.next;
    if (next < uses->second.end && places_[next] < oldest) next = FirstFrom(oldest, next, uses->second.end);
    if (next == uses->second.end) return rank_without_future_(candidate);
    return std::numeric_limits<uint64_t>::max() - places_[next];
  }

 private:
  // Of one page: indices into places_.
  struct Uses {
    uint32_t begin = 0;
    uint32_t end = 0;
    uint32_t next = 0;  // all before were accessed or passed over
  };

  // The index of the first place >= `place` among the indices [begin, end).
  [[nodiscard]] uint32_t FirstFrom(uint32_t place, uint32_t begin, uint32_t end) const {
    const auto first = places_.begin();
    return static_cast<uint32_t>(std::lower_bound(first + begin, first + end, place) - first);
  }

  const RankWithoutFuture rank_without_future_;
  const uint32_t late_places_;
  std::vector<uint32_t> places_;  // in the future, ascending for each page, page behind page
  std::unordered_map<uint64_t, Uses> uses_of_;
  uint32_t here_ = 0;  // the place that the accesses have reached
};

void Belady::SetFuture(std::span<const uint64_t> pages) {
  places_.clear();
  places_.shrink_to_fit();
  uses_of_.clear();
  here_ = 0;
  const auto for_each_run = [pages](const auto& visit) {
    uint32_t place = 0;
    for (size_t i = 0; i < pages.size() && place < std::numeric_limits<uint32_t>::max(); ++i)
      if (i == 0 || pages[i] != pages[i - 1]) visit(pages[i], place++);
    return place;
  };
  const uint32_t runs = for_each_run([this](uint64_t page, uint32_t) { ++uses_of_[page].end; });
  uint32_t begin = 0;
  for (auto& [page, uses] : uses_of_) {
    const uint32_t count = uses.end;
    uses = {.begin = begin, .end = begin, .next = begin};
    begin += count;
  }
  places_.resize(runs);
  for_each_run([this](uint64_t page, uint32_t place) { places_[uses_of_[page].end++] = place; });
}

// Takes the access for the page's place that is nearest to where the others are, and moves `here_` a little towards it.
// Only a little, and wrong guesses are as often early as late: so accesses that the future does not tell of, and
// those that it tells of and that never come, do not carry it away.
void Belady::Access(uint64_t page) {
  constexpr uint32_t kInertia = 16;       // accesses that it takes to follow a jump
  constexpr uint32_t kLargestMove = 256;  // for one access, whatever it says
  const auto found = uses_of_.find(page);
  if (found == uses_of_.end()) return;
  Uses& uses = found->second;

  uint32_t at = FirstFrom(here_, uses.begin, uses.end);
  if (at == uses.end || (at > uses.begin && here_ - places_[at - 1] <= places_[at] - here_)) --at;
  const uint32_t place = places_[at];
  const uint32_t distance = place >= here_ ? place - here_ : here_ - place;
  if (distance <= late_places_) uses.next = std::max(uses.next, at + 1);
  // A page that is accessed again at once is one place behind: it must move nothing.
  if (place >= here_)
    here_ += 1 + std::min((distance + kInertia - 1) / kInertia, kLargestMove);
  else
    here_ -= std::min(distance / kInertia, kLargestMove);
}

}  // namespace

std::unique_ptr<EvictionPolicy> MakeEvictionPolicy(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kLru:
      return std::make_unique<Lru>();
    case PolicyKind::kFifo:
      return std::make_unique<Fifo>();
    case PolicyKind::kPin:
      return std::make_unique<Pin>();
    case PolicyKind::kBelady:
      return std::make_unique<Belady>(RankByUse);
    case PolicyKind::kAuto:
      break;
  }
  return std::make_unique<Belady>(RankConsumedFirst);
}

std::unique_ptr<EvictionPolicy> MakeBeladyPolicy(uint32_t late_places) {
  return std::make_unique<Belady>(RankByUse, late_places);
}

}  // namespace quire
