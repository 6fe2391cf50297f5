// SPDX-License-Identifier: Apache-2.0
// What neighbours' tiers have of one volume: pages are read from there before the origin is asked.
//
// A neighbour's web server serves the two files of tier_map.h, and knows nothing of them. Who misses a page reads its
// record from all neighbours at once. Where one of them has it, its bytes and their sums are read from there. Where one
// is bringing it, and comes first, it is waited for. So nodes that read a pack at the same time fetch each page once in
// all, without a server among them that would have to know who has what. What comes first: who has said that it asks
// the origin; of several that have not, the one that a sum of its map's number and the page tells.
//
// Nothing that a neighbour says is believed further than that its bytes have the sums that it tells: the pack's own
// sums are compared when the bytes are used, and what is wrong then is read from the origin.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/page/unit_set.h"
#include "cache/tier/tier_map.h"
#include "cache/tier/tier_peers.h"
#include "format/mutex.h"
#include "format/zeroed_array.h"

namespace quire {

// Of all volumes of a mount, since it was made.
struct PeerFigures {
  uint64_t reads = 0;  // that neighbours answered
  uint64_t read_bytes = 0;
  uint64_t wrong_bytes = 0;  // that had not the sums which came with them
  uint64_t waits = 0;        // for what a neighbour was bringing
  uint64_t faults = 0;       // requests without an answer
};

// Thread-safe; calls block for a round trip or two to neighbours, a second where one of them does not answer.
class PeerVolume {
 public:
  // Of the volume whose map in this node's tier is `own`, which must outlive this. Asks all neighbours for theirs.
  PeerVolume(std::shared_ptr<TierPeers> peers, const TierMap& own);

  enum class Outcome : uint8_t {
    kRead,
    kNone,          // no neighbour has it
    kBeingBrought,  // one is going to have it
  };
  // Reads whole units of one page, or those to the end of the volume. `into`: with room for whole units. kBeingBrought
  // only where `has_claim`: this node has promised its neighbours the page.
  Outcome Read(uint64_t offset, std::byte* into, size_t bytes, bool has_claim);

  void CountWait() { waits_.fetch_add(1, std::memory_order_relaxed); }
  void AddTo(PeerFigures& figures) const;
  void Cancel() { peers_->Cancel(); }
  [[nodiscard]] std::string Describe() const { return peers_->Describe(); }

 private:
  using Clock = std::chrono::steady_clock;
  // The map of a neighbour.
  struct Other {
    bool is_known = false;
    uint64_t id = 0;
    Clock::time_point next_look;  // where it is not known
  };
  // The records of one page, as they came.
  struct Asked {
    bool has_come = false;
    Clock::time_point at;
    std::vector<std::pair<size_t, TierPage>> records = {};  // by neighbour
  };

  void LookForMaps(std::span<const size_t> peers) QUIRE_EXCLUDES(mutex_);
  // From a group of records, which tells where others of it are too.
  std::vector<std::pair<size_t, TierPage>> AskAll(uint64_t page) QUIRE_EXCLUDES(mutex_);
  // Threads that read parts of one page ask once.
  std::vector<std::pair<size_t, TierPage>> AskOnce(uint64_t page) QUIRE_EXCLUDES(mutex_);
  bool ReadFrom(size_t peer, uint64_t page, UnitSet wanted, std::byte* into) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] bool IsBefore(const Other& other, uint64_t page) const;
  [[nodiscard]] UnitSet AllOf(uint64_t page) const;
  std::atomic<uint32_t>& HoldersOf(uint64_t page) { return holders_[page - own_.key().first_page]; }

  const std::shared_ptr<TierPeers> peers_;
  const TierMap& own_;
  const std::string folder_;                    // of the volume, in any tier
  ZeroedArray<std::atomic<uint32_t>> holders_;  // by page: a bit for each neighbour that had all of it

  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::vector<Other> others_ QUIRE_GUARDED_BY(mutex_);
  std::map<uint64_t, Asked> asked_ QUIRE_GUARDED_BY(mutex_);  // by page

  std::atomic<uint64_t> reads_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
  std::atomic<uint64_t> wrong_bytes_ = 0;
  std::atomic<uint64_t> waits_ = 0;
};

}  // namespace quire
