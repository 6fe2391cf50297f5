// SPDX-License-Identifier: Apache-2.0
// Which page gives up its slot. A policy ranks the candidates by what the cache knows of them; it keeps no list of its
// own, so that a hit writes nothing but its slot's own cache line. The cache ranks all slots of a small arena, and some
// of a large one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/cache_options.h"

namespace quire {

// A resident page that nobody has pinned. Times are counts of the cache's misses, so they order what lies between two
// misses as equal.
struct EvictionCandidate {
  uint64_t page = 0;
  uint64_t filled_at = 0;
  uint64_t used_at = 0;      // last; filled_at where never
  bool is_consumed = false;  // as many bytes were served of it as it holds: the kernel, which asked, has them all
};

// Not thread-safe: the cache's lock guards it. No allocation but in SetFuture.
class EvictionPolicy {
 public:
  EvictionPolicy() = default;
  EvictionPolicy(const EvictionPolicy&) = delete;
  EvictionPolicy& operator=(const EvictionPolicy&) = delete;
  virtual ~EvictionPolicy() = default;

  // The candidate with the lowest rank is evicted; one without a rank never. Among equals the cache takes the lowest
  // slot. Of pages last used at one time the one that was filled then is the older: the fill came first, hits after it.
  [[nodiscard]] virtual std::optional<uint64_t> Rank(const EvictionCandidate& candidate) const = 0;

  // Whether consumed pages go before all others, whatever their ranks: the cache finds those without a look at ranks.
  [[nodiscard]] virtual bool prefers_consumed() const { return false; }

  // Policies that know the future are told of every access to a page, hits included, from SetFuture on; others are not
  // asked to pay for it.
  [[nodiscard]] virtual bool wants_accesses() const { return false; }
  virtual void Access(uint64_t /*page*/) {}
  // The pages that will be accessed from now on, in order, runs of one page as one access or as many. Replaces what was
  // known; empty: nothing is known. What lies beyond 2^32 - 1 runs is not kept. Costs 4 bytes a run and some 60 a page.
  // Does nothing for policies that need none.
  //
  // Reality need not follow it to the letter. Accesses may come some thousand places early or late (readers side by
  // side), some may never come (the kernel has the bytes), others may come unforeseen: the place that the accesses have
  // reached is followed as a whole, and a page that was expected stays expected for kLatePlaces more.
  virtual void SetFuture(std::span<const uint64_t> /*pages*/) {}
};

inline constexpr uint32_t kLatePlaces = 4096;  // eight readers, two batches of 256 samples each

// kLru: the least recently used. kFifo: the first filled. kPin: consumed pages only, the least recently used of them: a
// uniform shuffle of more than fits gains nothing by exchanging one page for another. kBelady: the page whose next use
// in the future is farthest, those never used again first (Belady 1966), the least recently used of them; so without a
// future as kLru. kAuto: as kBelady while it is given a future, but of the pages never used again (without a future:
// of all) the consumed ones first.
std::unique_ptr<EvictionPolicy> MakeEvictionPolicy(PolicyKind kind);
// As kBelady, with a number of its own in place of kLatePlaces: 0 where some accesses are not told, so that what was
// expected and has not come may have come.
std::unique_ptr<EvictionPolicy> MakeBeladyPolicy(uint32_t late_places);

}  // namespace quire
