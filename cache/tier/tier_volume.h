// SPDX-License-Identifier: Apache-2.0
// A volume of which a tier keeps what is read, or a part of one: what this process reads of it, brings, and has
// promised to bring. Pages and offsets are those of the volume. Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "cache/background_thread.h"
#include "cache/tier/peer_volume.h"
#include "cache/tier/tier.h"
#include "cache/tier/tier_map.h"
#include "format/mutex.h"
#include "format/result.h"
#include "format/zeroed_array.h"

namespace quire {

// Of all volumes of a mount, since it was made.
struct TierFigures {
  uint64_t taken_bytes = 0;  // of all that use the tier
  uint64_t most_bytes = 0;
  uint64_t reads = 0;  // that were answered by it
  uint64_t read_bytes = 0;
  uint64_t kept_bytes = 0;                // that were brought to it
  uint64_t fetched_bytes = 0;             // of these: before anybody asked
  uint64_t wrong_bytes = 0;               // that were not what had been brought
  uint64_t waits = 0;                     // for what another process fetches
  uint64_t faults = 0;                    // of its disk
  std::optional<PeerFigures> peers = {};  // where neighbours are asked
};

class TierVolume {
 public:
  // `peers`: the neighbours that are asked for it; null where there are none.
  static Result<std::shared_ptr<TierVolume>> Open(std::shared_ptr<Tier> tier, const TierKey& key,
                                                  std::shared_ptr<TierPeers> peers);
  TierVolume(const TierVolume&) = delete;
  TierVolume& operator=(const TierVolume&) = delete;
  ~TierVolume() { tier_->Cancel(); }  // what still waits for its lock is its own

  [[nodiscard]] const TierKey& key() const { return map_.key(); }
  // Where it ends, in the volume.
  [[nodiscard]] uint64_t end_bytes() const { return key().volume_bytes; }
  // Of what the tier holds of it: "DIR/volumes/KEY".
  [[nodiscard]] std::string folder() const { return tier_->PathOf(map_.key().FolderName()); }

  // Reads whole units, or those to the end of the volume, of one page: false where not all of them are there. What is
  // there and wrong is dropped. `into`: aligned as for direct reads, with room for whole units.
  bool Read(uint64_t offset, std::byte* into, size_t bytes);

  // Whether units of one page seem to be there, in which some of these bytes lie.
  [[nodiscard]] bool Has(uint64_t offset, uint64_t bytes) const;

  // As PeerVolume::Read, by this process's claim if it has one; kNone where there are no neighbours. The origin is
  // asked next, after kNone at once: neighbours are told so. Blocks for some time.
  PeerVolume::Outcome ReadFromPeers(uint64_t offset, std::byte* into, size_t bytes);
  // Ends that soon.
  void Cancel();
  // As Tier::Follow; `future` hears of what is read and brought. REQUIRES: called once, before pages are read.
  void Follow(std::shared_ptr<TierFuture> future, uint16_t number);
  // "3 of 4 neighbours (not URL: why)"; empty where there are none.
  [[nodiscard]] std::string DescribePeers() const;
  // A number that no neighbour has: where to begin to fetch all pages is told by it, so that each begins elsewhere. 0
  // where there are none.
  [[nodiscard]] uint64_t turn() const { return peers_ == nullptr ? 0 : map_.id(); }

  // All of a page is going to be read by this process, which calls Keep or GiveUp in the end. kThere: go on, nothing
  // is to be kept. kClaimed also where this process has the claim already.
  Tier::ClaimOutcome ClaimPage(uint64_t page);
  [[nodiscard]] bool HasClaim(uint64_t page) const;
  // Whether another process of this node is bringing it.
  [[nodiscard]] bool IsBroughtByOthers(uint64_t page) const;
  // Writes what was claimed of the page, as far as it is here: `units` of the page's `bytes`. Gives up the rest.
  void Keep(uint64_t page, const UnitSet& units, std::span<const std::byte> bytes);
  void GiveUp(uint64_t page);
  // Keeps whole units, one behind the other, if nobody has a claim of their page. `from` as `into` above.
  void KeepUnits(uint64_t offset, const std::byte* from, size_t bytes);

  // Brings what is missing of a page, if there is room that nothing has to leave, and nobody else does. `buffer`: a
  // page. `read` brings whole units.
  struct Fetched {
    uint64_t bytes = 0;
    std::optional<Error> error = {};  // it could not be read, or not be kept
    bool has_no_room = false;
    bool is_of_others = false;  // somebody else is bringing it
  };
  using ReadUnits = std::function<Result<void>(uint64_t offset, std::byte* into, uint32_t bytes)>;
  Fetched Fetch(uint64_t page, std::byte* buffer, const ReadUnits& read);

  // Units in which some of these bytes lie are not what they should be.
  void Drop(uint64_t offset, uint64_t bytes);
  // Whether the page is known to be there; one that others brought is not known before it is read.
  [[nodiscard]] bool IsKnown(uint64_t page) const { return KnownOf(page).load(std::memory_order_relaxed); }

  // For another process of this node, or for a neighbour.
  void CountWait(bool is_for_peer);
  void AddTo(TierFigures& figures) const;

 private:
  TierVolume(std::shared_ptr<Tier> tier, TierMap map)
      : tier_(std::move(tier)), map_(std::move(map)), known_(map_.key().page_count()) {}
  [[nodiscard]] std::atomic<bool>& KnownOf(uint64_t page) const { return known_[page - key().first_page]; }
  // Gives a claim of this process back: later, where the tier cannot be changed now.
  void Release(uint64_t page) QUIRE_EXCLUDES(mutex_);
  void ReleaseOwed(const std::stop_token& stop) QUIRE_EXCLUDES(mutex_);
  [[nodiscard]] UnitSet AllOf(uint64_t page) const;
  // What this process has claimed. The log hears of an error, after which the claim is still to be given up.
  Result<void> Write(uint64_t page, UnitSet units, const std::byte* page_begin);

  const std::shared_ptr<Tier> tier_;
  const TierMap map_;
  std::unique_ptr<PeerVolume> peers_;             // null: there are none
  mutable ZeroedArray<std::atomic<bool>> known_;  // by page, from the first one on
  std::shared_ptr<TierFuture> future_;            // null: none is followed
  uint16_t number_ = 0;                           // in the future
  mutable Mutex mutex_;
  std::map<uint64_t, UnitSet> claims_ QUIRE_GUARDED_BY(mutex_);  // by page, of ClaimPage
  std::vector<uint64_t> owed_ QUIRE_GUARDED_BY(mutex_);          // pages whose claims could not be given back

  std::atomic<uint64_t> reads_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
  std::atomic<uint64_t> kept_bytes_ = 0;
  std::atomic<uint64_t> wrong_bytes_ = 0;
  std::atomic<uint64_t> waits_ = 0;

  BackgroundThread giving_back_;  // of what is owed, once there is any; last: it uses all above
};

}  // namespace quire
