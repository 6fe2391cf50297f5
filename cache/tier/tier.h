// SPDX-License-Identifier: Apache-2.0
// A directory on a node's own disk that keeps pages of volumes which are far away, for all daemons of that node that
// may use it. What is in it and what it may take is told by its files alone, so that a process may end at any time:
//
//   DIR/quire-tier      how many bytes are taken; the locks of tier_locks.h
//   DIR/volumes/KEY/    tier_map.h
//
// All changes are made with the tier's lock held, for some ten microseconds each. Room is taken before a page is
// fetched (Claim), and a page that is being fetched is claimed by one process at a time, so the others need not fetch
// it too. What a process had claimed when it ended is given back by the next one that comes across it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cache/tier/tier_future.h"
#include "cache/tier/tier_locks.h"
#include "cache/tier/tier_map.h"
#include "cache/tier/tier_options.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class Tier {
 public:
  // Where there is none yet; the folder in which it lies must be there.
  static Result<void> MakeDirectory(const std::string& directory);
  // Of a directory that is there; an empty one becomes a tier. Errors: kInvalid for one that others may write to or
  // that holds other things, kUnsupported where its file system has no holes, kSystem.
  static Result<std::shared_ptr<Tier>> Open(const TierOptions& options);
  // One that is there, to look at it and to remove from it.
  static Result<std::shared_ptr<Tier>> OpenToTidy(const std::string& directory);
  Tier(const Tier&) = delete;
  Tier& operator=(const Tier&) = delete;

  // The volume's map, in use; makes it where there is none. An error where the tier has no room even for that.
  Result<TierMap> OpenVolume(const TierKey& key);

  enum class ClaimOutcome : uint8_t {
    kClaimed,
    kThere,   // all of it is there by now
    kOthers,  // another process, or another thread of this one, fetches the page
    kNoRoom,  // of what is there, nothing can go
    kNotNow,  // the tier cannot be changed
  };
  // Takes room for those of `units` that are not there, and promises to bring them: Commit or Release comes later.
  // `claimed`: what it was taken for.
  ClaimOutcome Claim(const TierMap& map, uint64_t page, UnitSet units, UnitSet& claimed);
  // Without the lock: whether a claim may be had, as far as one can see, and whether this process has it.
  [[nodiscard]] bool IsClaimedByOthers(const TierPage& record) const;
  [[nodiscard]] bool IsOwn(const TierPage& record) const { return record.owner == locks_.own_number(); }
  // `written`, whose sums are given for all units of the page, are there; what else was claimed is given back.
  // REQUIRES, of both: the page is claimed by this process.
  Result<void> Commit(const TierMap& map, uint64_t page, UnitSet written, const TierSums& sums);
  // False where the tier cannot be changed now: the claim stays until a later try, or the end of this process.
  [[nodiscard]] bool Release(const TierMap& map, uint64_t page);
  // Nobody waits for the tier's lock any more: what is not given back when the process ends, others give back.
  void Cancel() { locks_.Hurry(); }
  // Units that cannot be read, or are not what they were. The bytes that go: none of what somebody else has made go.
  uint64_t Drop(const TierMap& map, uint64_t page, UnitSet units);

  // Of the pages of this volume that have to go, those go first that `future` says are needed last; how many of them
  // go, beside those of others, their last use says. `number`: of the volume in `future`.
  void Follow(const TierKey& key, std::shared_ptr<const TierFuture> future, uint16_t number) QUIRE_EXCLUDES(mutex_);

  // --- For those who look at a tier as a whole.

  struct VolumeFigures {
    std::string folder;  // its name
    std::string source;
    uint64_t first_byte = 0;    // of a part of a volume: where it begins
    uint64_t volume_bytes = 0;  // of the part
    uint64_t present_bytes = 0;
    uint64_t own_bytes = 0;  // of its map
    uint64_t created_at_ms = 0;
    uint64_t used_at_ms = 0;  // the last time; 0: never
    bool is_used = false;     // by a process, now
  };
  Result<std::vector<VolumeFigures>> List();
  // Compares what is there of a volume with its sums and drops what differs. `on_progress` hears of each page, and says
  // whether to go on.
  struct Checked {
    uint64_t right_bytes = 0;
    uint64_t dropped_bytes = 0;
  };
  Result<Checked> Verify(const std::string& folder, const std::function<bool(uint64_t bytes)>& on_progress);
  // Gives back pages that were not used since `not_since_ms`, and then the least recently used ones until at most
  // `most_bytes` are taken; and whatever dead processes left. Returns the bytes that are taken then.
  Result<uint64_t> Prune(uint64_t most_bytes, uint64_t not_since_ms);
  // False where a process uses it.
  Result<bool> Remove(const std::string& folder);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  // Of the folder of a volume, by its name.
  [[nodiscard]] std::string PathOf(const std::string& folder) const { return VolumesFolder() + '/' + folder; }
  [[nodiscard]] uint64_t most_bytes() const { return most_bytes_; }
  // Without the lock, as it was before the change that is under way, if any.
  [[nodiscard]] Result<uint64_t> taken_bytes() const;

  // Says in the log what is wrong with the tier, now and then, and leaves it alone for a while: nothing is claimed.
  void Tell(const Error& error);
  [[nodiscard]] uint64_t faults() const { return faults_.load(std::memory_order_relaxed); }

 private:
  struct Ledger;
  class Locked;

  Tier(std::string directory, File file, bool is_shared)
      : directory_(std::move(directory)), is_shared_(is_shared), locks_(std::move(file)) {}
  static Result<std::shared_ptr<Tier>> OpenDirectory(const std::string& directory, bool may_make);

  [[nodiscard]] std::string VolumesFolder() const { return directory_ + "/volumes"; }
  [[nodiscard]] Result<std::vector<std::string>> FolderNames() const;

  [[nodiscard]] Result<Ledger> ReadLedger() const;
  // All of these with the lock held.
  Result<uint64_t> ReadTaken() const;
  // As the ledger says, or counted anew where a change of it was not completed. What is computed from records is
  // computed after this: to count gives back what dead processes have claimed.
  Result<uint64_t> Settle();
  // Changes records, between two writes of the ledger: who finds it half done counts all of it anew. REQUIRES: Settle
  // was called with this lock.
  Result<void> Change(int64_t by_bytes, const std::function<Result<void>()>& change);
  Result<uint64_t> CountAnew(bool is_opening = false);
  struct CountingWhen {
    bool is_opening = false;     // before this process has claimed anything
    bool is_other_boot = false;  // than that of the last change
  };
  Result<uint64_t> CountVolume(const std::string& folder, const CountingWhen& when);
  Result<void> ReleaseDead(const TierMap& map, uint64_t page, TierPage& record);
  // Whether the volume, or all of the tier, was removed while it is in use: nothing more is kept, since nobody would
  // count it, and what was kept goes.
  bool IsGone(const TierMap& map);
  // The least recently used pages go, until `bytes` more may be taken. `keep`: not this one.
  Result<void> MakeRoom(uint64_t bytes, const TierMap* keep, uint64_t keep_page);
  struct Eviction {
    uint64_t needed_bytes = 0;  // where so many cannot go, nothing goes
    uint64_t at_least_bytes = 0;
    uint64_t not_since_ms = 0;  // what was not used since then goes too
    const TierMap* keep = nullptr;
    uint64_t keep_page = 0;  // of `keep`: stays
  };
  Result<void> Evict(const Eviction& wanted);

  // A page that may go.
  struct Candidate {
    uint64_t used_at_ms;
    size_t map;
    uint64_t page;
    uint64_t bytes;
  };
  // Puts `candidates`, which are in the order of their use, into that in which they go.
  void ApplyFutures(std::span<const TierMap> maps, std::span<Candidate> candidates) const QUIRE_EXCLUDES(mutex_);

  const std::string directory_;
  const bool is_shared_;  // with the group
  TierLocks locks_;
  uint64_t most_bytes_ = 0;
  bool is_told_gone_ = false;  // with the lock held
  mutable Mutex mutex_;
  std::map<std::string, std::pair<std::shared_ptr<const TierFuture>, uint16_t>> futures_
      QUIRE_GUARDED_BY(mutex_);  // by folder
  std::atomic<uint64_t> faults_ = 0;
  std::atomic<uint64_t> quiet_until_ms_ = 0;
  std::atomic<uint64_t> paused_until_ms_ = 0;
};

}  // namespace quire
