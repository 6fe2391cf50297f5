// SPDX-License-Identifier: Apache-2.0
// The order in which samples will be read, told in advance, and where in it the readers are.
//
// The kernel answers reads of pushed samples without a word, so progress would not be seen. Therefore every 32nd sample
// of a plan is a marker: it is brought into memory, but not into the kernel's page cache, so that its read is seen.
//
// Readers side by side are out of step, by some batches each: the plan follows the farthest, and whoever is up to
// kLatePlaces behind still reads what was expected. A read further ahead than what was prefetched means that the
// readers have overtaken it: what lies between is dropped, and prefetching goes on ahead of them. Reads that the plan
// does not expect, kMaxUnexpected in a row, end it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

#include "format/locked_count.h"
#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "fs/feed/feed_figures.h"
#include "fs/feed/node_list.h"
#include "fs/feed/place_table.h"

namespace quire {

// Thread-safe; nothing blocks. Allocates in Append and Begin only.
class Plan {
 public:
  static constexpr uint64_t kMarkerSpacing = 32;
  static constexpr uint64_t kLatePlaces = 4096;  // eight readers, two batches of 256 samples each
  static constexpr uint64_t kMaxUnexpected = 256;
  // Of one plan, as far as its readers have not passed them: 32 MiB where a node takes 4 bytes. What is told beyond is
  // ignored.
  static constexpr uint64_t kMaxPlaces = uint64_t{1} << 23;
  // Of all plans: one is being read while the next is told.
  static constexpr uint64_t kMaxPlacesOfAll = 2 * kMaxPlaces;

  // Of a pack of `nodes` nodes. Places are counted from `first_place` on: for tests.
  explicit Plan(uint64_t nodes, uint64_t first_place = 0)
      : nodes_(nodes),
        base_(first_place),
        consumed_(first_place),
        next_(first_place),
        registered_(first_place),
        last_beginning_(first_place) {}

  // A new plan, which follows what is left of the last one. Where two wait already that nobody has come to, all before
  // the second is dropped, so that plans which nobody follows do not pile up.
  void Begin();
  // Where kMaxPlacesOfAll are held, all before the last plan is dropped to make room. Throws std::bad_alloc; the plan
  // is then as it was. REQUIRES: node is one of the pack's.
  void Append(NodeNumber node);

  struct Step {
    NodeNumber node = 0;
    bool is_marker = false;
  };
  // The next sample to prefetch, if it is at most `window` places ahead of the readers.
  std::optional<Step> Next(uint64_t window);

  enum class Verdict : uint8_t { kNoPlan, kExpected, kUnexpected, kForgotten };
  // The kernel asks for bytes of `node`. kForgotten: that ended the plan.
  Verdict Read(NodeNumber node);

  // Whether there is one: cheap, for the path of every read.
  [[nodiscard]] bool is_active() const { return is_active_.load(std::memory_order_relaxed); }
  struct Stretch {
    uint64_t readers = 0;  // place behind the farthest read
    uint64_t end = 0;      // place behind the last sample told
  };
  [[nodiscard]] Stretch stretch() const;
  // The samples from the readers' place on, or from `place` on where that is farther, in order; `at_most` so many.
  [[nodiscard]] std::vector<NodeNumber> Future(uint64_t place = 0,
                                               uint64_t at_most = std::numeric_limits<uint64_t>::max()) const;

  // Memory that the follower of the plan holds for it: for the figures.
  void CountFollower(uint64_t bytes) { follower_bytes_.store(bytes, std::memory_order_relaxed); }
  // Takes no lock.
  [[nodiscard]] PlanFigures figures() const;

 private:
  // As in PlanFigures, changed with the lock held.
  struct Counts {
    LockedCount told;
    LockedCount ignored;
    LockedCount prefetched;
    LockedCount overtaken;
    LockedCount expected_reads;
    LockedCount unexpected_reads;
    LockedCount forgotten_plans;
    LockedCount ahead;
    LockedCount left;
    LockedCount memory_bytes;  // but for the follower's
  };
  // Where it ends, what the plan has come to is counted.
  class Change;
  static constexpr uint64_t kLookahead = uint64_t{1} << 16;  // places ahead of the prefetching that reads are known in
  static constexpr uint64_t kMinMargin = 32;
  static constexpr uint64_t kMaxMargin = 2048;
  static constexpr uint64_t kReadsToJump = 8;
  // Between places of one sample that are nearer there are too few markers to wait for readers to pass the first.
  static constexpr uint64_t kNearPlaces = 4 * kMarkerSpacing;
  // Of all that may be registered: more than late places, a window of 2^16 (plan_runner.cc) and kLookahead together.
  static constexpr uint64_t kMaxRegistered = PlaceTable::kMaxEntries;

  [[nodiscard]] uint64_t end() const QUIRE_REQUIRES(mutex_) { return base_ + nodes_.size(); }
  [[nodiscard]] NodeNumber At(uint64_t place) const QUIRE_REQUIRES(mutex_) { return nodes_[place - base_]; }
  // The place at which a read of `node` now would be counted.
  [[nodiscard]] std::optional<uint64_t> PlaceOf(NodeNumber node) const QUIRE_REQUIRES(mutex_);
  void Register() QUIRE_REQUIRES(mutex_);
  void MoveTo(uint64_t place) QUIRE_REQUIRES(mutex_);
  void GoOnAt(uint64_t beginning) QUIRE_REQUIRES(mutex_);
  void DropBefore(uint64_t place) QUIRE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  NodeList nodes_ QUIRE_GUARDED_BY(mutex_);  // those at the places [base_, end())
  uint64_t base_ QUIRE_GUARDED_BY(mutex_);
  uint64_t consumed_ QUIRE_GUARDED_BY(mutex_);                // behind the farthest read
  uint64_t next_ QUIRE_GUARDED_BY(mutex_);                    // to be prefetched
  uint64_t registered_ QUIRE_GUARDED_BY(mutex_);              // places before have their entry in places_
  std::deque<uint64_t> beginnings_ QUIRE_GUARDED_BY(mutex_);  // places where plans begin
  uint64_t last_beginning_ QUIRE_GUARDED_BY(mutex_);          // of the plan that is being told
  uint64_t unseen_until_ QUIRE_GUARDED_BY(mutex_) =
      0;  // places before are registered, whatever the readers have passed
  uint64_t unexpected_in_a_row_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t margin_ QUIRE_GUARDED_BY(mutex_) = kMinMargin;  // by which an overtaken plan goes on ahead of its readers
  uint64_t far_place_ QUIRE_GUARDED_BY(mutex_) = 0;        // where a read far ahead was seen
  uint64_t far_reads_ QUIRE_GUARDED_BY(mutex_) = 0;        // and how many near there
  PlaceTable places_ QUIRE_GUARDED_BY(mutex_);             // of the registered places: none that was dropped
  Counts counts_;
  std::atomic<bool> is_active_ = false;
  std::atomic<uint64_t> follower_bytes_ = 0;
};

}  // namespace quire
