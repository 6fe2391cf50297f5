// SPDX-License-Identifier: Apache-2.0
#include "cache/page/slot_supply.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quire {
namespace {

// Of so many slots the one that ranks lowest goes: with 64 of them, on average, one of the lowest 1.5 % of all, for
// less than two microseconds whatever the arena's size.
constexpr uint32_t kVictimsLookedAt = 64;
// Slots that are kept free ahead of need, and of the page slots of a small arena, which share that is at most.
constexpr size_t kMostReserve = 8;
constexpr uint32_t kShareOfReserve = 8;
// Of the reserve, what sweeps leave to readers. The rest they take, since the disk waits while they wait for memory.
constexpr size_t kShareOfReaders = 2;

}  // namespace

SlotSupply::SlotSupply(SlotTable& table, SlotMemory& arena, const Residency& residency, PolicyKind policy,
                       std::function<void(uint32_t slot)> evicted)
    : table_(table),
      arena_(arena),
      residency_(residency),
      evicted_(std::move(evicted)),
      reserve_(std::min<size_t>(kMostReserve, (arena.slot_count() - table.first_slot()) / kShareOfReserve)),
      policy_(MakeEvictionPolicy(policy)),
      hand_(table.first_slot()),
      end_of_used_(table.first_slot()) {
  draining_.reserve(arena.slot_count());
  to_populate_.reserve(arena.slot_count());
  for (uint32_t slot = arena.slot_count(); slot > table.first_slot(); --slot) GiveBack(slot - 1);
}

std::optional<SlotSupply::Place> SlotSupply::FindFree(For whom) {
  ReclaimDrained();
  const bool is_spared = whom == For::kSweeps && table_.free_count() <= reserve_ / kShareOfReaders;
  std::optional<uint32_t> slot;
  if (!is_spared) slot = TakeFreeSlot();
  if (!slot) slot = TakeConsumed();
  if (!slot) slot = TakeToGrow();
  if (!slot && is_spared) slot = TakeFreeSlot();
  return slot ? std::optional(Place{.slot = *slot}) : std::nullopt;
}

std::optional<uint32_t> SlotSupply::TakeFreeSlot() {
  const auto slot = table_.TakeFree();
  least_free_ = std::min(least_free_, table_.free_count());
  return slot;
}

std::optional<uint32_t> SlotSupply::TakeToGrow() { return MayGrow() ? table_.TakeBare() : std::nullopt; }

std::optional<uint32_t> SlotSupply::TakeForReserve() {
  while (wants_reserve_ && table_.free_count() < reserve_) {
    const auto consumed = TakeConsumed();
    if (!consumed) {
      const auto slot = TakeToGrow();
      wants_reserve_ = slot.has_value();
      coming_ += slot ? 1 : 0;
      return slot;
    }
    GiveBack(*consumed);
  }
  wants_reserve_ = false;
  return std::nullopt;
}

std::optional<SlotSupply::Place> SlotSupply::FindVictim() {
  const uint32_t used = end_of_used_ - table_.first_slot();
  if (used <= kVictimsLookedAt) hand_ = table_.first_slot();
  std::optional<Place> victim;
  uint64_t least = 0;
  for (uint32_t looks = std::min(used, kVictimsLookedAt); looks > 0; --looks) {
    if (hand_ >= end_of_used_) hand_ = table_.first_slot();
    const uint32_t slot = hand_++;
    if (!table_.is_unpinned(slot)) continue;
    const EvictionCandidate candidate = {.page = table_.page_of(slot),
                                         .filled_at = table_.filled_at(slot),
                                         .used_at = table_.used_at(slot),
                                         .is_consumed = table_.is_consumed(slot)};
    const auto rank = policy_->Rank(candidate);
    if (!rank || (victim && *rank >= least)) continue;
    least = *rank;
    victim = Place{.slot = slot, .is_victim = true, .used_at = candidate.used_at};
  }
  return victim;
}

bool SlotSupply::Take(const Place& place) {
  if (place.is_victim) {
    if (!table_.Evict(place.slot)) return false;
    evicted_(place.slot);
  } else {
    wants_reserve_ |= table_.free_count() < reserve_;
  }
  end_of_used_ = std::max(end_of_used_, place.slot + 1);
  return true;
}

void SlotSupply::PutBack(const Place& place) {
  if (!place.is_victim) GiveBack(place.slot);
}

std::optional<uint32_t> SlotSupply::TakeAny() {
  auto place = FindFree();
  if (!place) place = FindVictim();
  return place && Take(*place) ? std::optional(place->slot) : std::nullopt;
}

size_t SlotSupply::CountSpare() const {
  const uint32_t bare = is_out_of_memory_ ? 0 : Limit() - std::min(Limit(), arena_.populated());
  return table_.free_count() + bare + (MayTakeConsumed() ? table_.CountConsumed() : 0);
}

void SlotSupply::GiveBack(uint32_t slot, bool is_in_use) {
  if (is_in_use)
    draining_.push_back(slot);
  else if (arena_.is_populated(slot))
    table_.Release(slot);
  else
    table_.ReleaseBare(slot);
}

// A slot counts twice from when its memory is there until MemoryCame: for that moment the arena stays a slot smaller.
bool SlotSupply::MayGrow() const {
  return !is_out_of_memory_ && arena_.populated() + to_populate_.size() + coming_ < Limit();
}

std::optional<uint32_t> SlotSupply::TakeSlotToPopulate() {
  if (to_populate_.empty()) return std::nullopt;
  const uint32_t slot = to_populate_.back();
  to_populate_.pop_back();
  ++coming_;
  return slot;
}

void SlotSupply::MemoryCame(bool is_there) {
  assert(coming_ > 0);
  --coming_;
  is_out_of_memory_ |= !is_there;
}

void SlotSupply::BeginTrim(bool is_idle) {
  is_out_of_memory_ = false;
  ReclaimDrained();
  for (uint32_t slot = table_.first_slot(); is_idle && slot < end_of_used_; ++slot) {
    if (!table_.is_unpinned(slot) || !table_.Evict(slot)) continue;
    evicted_(slot);
    GiveBack(slot);
  }
  unneeded_ = is_idle ? table_.free_count() : (least_free_ - std::min(least_free_, reserve_)) / 2;
  if (is_idle) wants_reserve_ = false;
}

bool SlotSupply::TrimOne() {
  const auto slot = TakeUnneeded();
  if (!slot) {
    least_free_ = table_.free_count();
    return false;
  }
  arena_.Release(*slot);
  GiveBack(*slot);
  unneeded_ -= unneeded_ > 0 ? 1 : 0;
  return true;
}

std::optional<uint32_t> SlotSupply::TakeUnneeded() {
  const bool is_above_limit = arena_.populated() > Limit();
  if (unneeded_ == 0 && !is_above_limit) return std::nullopt;
  if (const auto slot = table_.TakeFree(); slot || !is_above_limit) return slot;
  if (const auto slot = TakeConsumed()) return slot;
  const auto victim = FindVictim();
  return victim && Take(*victim) ? std::optional(victim->slot) : std::nullopt;
}

uint32_t SlotSupply::Limit() const { return std::min(residency_.SlotLimit(arena_.populated()), arena_.slot_count()); }

void SlotSupply::ReclaimDrained() {
  std::erase_if(draining_, [this](uint32_t slot) {
    if (!table_.is_abandoned(slot)) return false;
    GiveBack(slot);
    return true;
  });
}

// Where the kernel has no room for all, it will let go of a consumed page, which is then as good as any.
bool SlotSupply::MayTakeConsumed() const { return residency_.IsStream() && policy_->prefers_consumed(); }

std::optional<uint32_t> SlotSupply::TakeConsumed() {
  const auto slot = MayTakeConsumed() ? table_.TakeConsumed() : std::nullopt;
  if (slot) evicted_(*slot);
  return slot;
}

}  // namespace quire
