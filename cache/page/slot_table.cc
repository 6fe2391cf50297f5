// SPDX-License-Identifier: Apache-2.0
#include "cache/page/slot_table.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace quire {
namespace {

// A page of which seven eighths were used is consumed: the gaps between its samples, and the odd sample that its reader
// leaves out, are no reason to keep it.
constexpr uint32_t kUnusedShare = 8;
// Consumed slots that are looked at for one that nobody pins: those whose samples are being stored at this moment are
// pinned, by a few threads.
constexpr int kLooks = 8;
constexpr uint32_t kNever = std::numeric_limits<uint32_t>::max();

}  // namespace

SlotTable::SlotTable(uint64_t pages, uint32_t first_slot, uint32_t end_slot, bool readers_keep)
    : page_count_(pages), first_slot_(first_slot), readers_keep_(readers_keep), slot_of_page_(pages), slots_(end_slot) {
  const size_t slots = end_slot - first_slot;
  free_.reserve(slots);
  bare_.reserve(slots);
  consumed_.resize(std::max<size_t>(slots, 1));
}

std::optional<uint32_t> SlotTable::TryPin(uint64_t page) {
  if (page >= page_count_) return std::nullopt;
  const uint32_t held = slot_of_page_[page].load(std::memory_order_acquire);
  if (held == kAbsentWord || held >= kHandedOnWords) return std::nullopt;
  Slot& slot = slots_[held - 1];
  if ((slot.pins.fetch_add(1, std::memory_order_acquire) & kClosed) != 0 ||
      slot.page.load(std::memory_order_relaxed) != page) {
    slot.pins.fetch_sub(1, std::memory_order_release);
    return std::nullopt;
  }
  return held - 1;
}

void SlotTable::Use(uint32_t number, uint64_t now, uint32_t bytes) {
  Slot& slot = slots_[number];
  if (slot.used_at.load(std::memory_order_relaxed) != now) slot.used_at.store(now, std::memory_order_relaxed);
  const uint32_t limit = slot.consumed_bytes.load(std::memory_order_relaxed);
  uint32_t served = slot.served_bytes.load(std::memory_order_relaxed);
  if (served < limit) {
    // Concurrent readers may lose a count here: then the page is consumed a little later.
    served = bytes > limit - served ? limit : served + bytes;
    slot.served_bytes.store(served, std::memory_order_relaxed);
  }
  if (served >= limit && !is_consumed(number)) MarkConsumed(number);
}

void SlotTable::MarkHandedOn(uint32_t number, uint32_t bytes_to_use) {
  Slot& slot = slots_[number];
  slot.is_handed_on.store(true, std::memory_order_relaxed);
  slot.consumed_bytes.store(bytes_to_use, std::memory_order_relaxed);
  if (slot.served_bytes.load(std::memory_order_relaxed) >= bytes_to_use) MarkConsumed(number);
}

// The order of the two flags matters: TakeConsumed clears is_listed first and looks at is_consumed then, so that one
// of the two sees what the other did.
void SlotTable::MarkConsumed(uint32_t slot) {
  slots_[slot].is_consumed.store(true, std::memory_order_seq_cst);
  if (!slots_[slot].is_listed.exchange(true, std::memory_order_seq_cst)) List(slot);
}

void SlotTable::List(uint32_t slot) {
  uint32_t first = newly_consumed_.load(std::memory_order_relaxed);
  do {
    slots_[slot].next_consumed.store(first, std::memory_order_relaxed);
  } while (!newly_consumed_.compare_exchange_weak(first, slot, std::memory_order_release, std::memory_order_relaxed));
}

SlotTable::Presence SlotTable::presence(uint64_t page) const {
  const uint32_t held = slot_of_page_[page].load(std::memory_order_relaxed);
  if (held == kAbsentWord) return Presence::kAbsent;
  if (held == kUnreadableWord) return Presence::kUnreadable;
  if (held >= kHandedOnWords) return held == HandedOnWord() ? Presence::kHandedOn : Presence::kAbsent;
  return Presence::kHeld;
}

void SlotTable::Enter(uint32_t number, uint64_t page, uint32_t bytes, uint64_t now, bool is_unused) {
  assert(presence(page) != Presence::kHeld);
  Slot& slot = slots_[number];
  slot.page.store(page, std::memory_order_relaxed);
  slot.served_bytes.store(0, std::memory_order_relaxed);
  const uint32_t consumed_bytes = readers_keep_ ? std::max(bytes - bytes / kUnusedShare, 1U) : kNever;
  slot.consumed_bytes.store(consumed_bytes, std::memory_order_relaxed);
  slot.used_at.store(now, std::memory_order_relaxed);
  slot.is_unused.store(is_unused, std::memory_order_relaxed);
  slot.is_consumed.store(false, std::memory_order_relaxed);
  slot.is_handed_on.store(false, std::memory_order_relaxed);
  slot_of_page_[page].store(number + 1, std::memory_order_release);
}

void SlotTable::Open(uint32_t number, uint64_t now) {
  slots_[number].used_at.store(now, std::memory_order_relaxed);
  slots_[number].filled_at = now;
  ++open_count_;
  slots_[number].pins.fetch_and(~kClosed, std::memory_order_release);
}

void SlotTable::Leave(uint32_t slot, Presence then) {
  const uint32_t word = then == Presence::kUnreadable ? kUnreadableWord
                        : then == Presence::kHandedOn ? HandedOnWord()
                                                      : kAbsentWord;
  slot_of_page_[page_of(slot)].store(word, std::memory_order_relaxed);
  slots_[slot].is_consumed.store(false, std::memory_order_relaxed);
}

bool SlotTable::Evict(uint32_t number) {
  Slot& slot = slots_[number];
  uint32_t unpinned = 0;
  if (!slot.pins.compare_exchange_strong(unpinned, kClosed, std::memory_order_acq_rel)) return false;
  --open_count_;
  Leave(number, slot.is_handed_on.load(std::memory_order_relaxed) ? Presence::kHandedOn : Presence::kAbsent);
  return true;
}

void SlotTable::Drop(uint32_t slot) {
  slots_[slot].pins.fetch_or(kClosed, std::memory_order_acq_rel);
  --open_count_;
  Leave(slot, Presence::kAbsent);
}

std::optional<uint32_t> SlotTable::TakeFree() {
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

std::optional<uint32_t> SlotTable::TakeBare() {
  if (bare_.empty()) return std::nullopt;
  const uint32_t slot = bare_.back();
  bare_.pop_back();
  return slot;
}

// The stack has the newest first: of what is taken at once, the order does not matter.
void SlotTable::TakeListed() {
  uint32_t slot = newly_consumed_.exchange(kNone, std::memory_order_acquire);
  while (slot != kNone) {
    consumed_[(consumed_first_ + consumed_count_++) % consumed_.size()] = slot;
    slot = slots_[slot].next_consumed.load(std::memory_order_relaxed);
  }
}

size_t SlotTable::CountConsumed() {
  TakeListed();
  return consumed_count_;
}

std::optional<uint32_t> SlotTable::TakeConsumed() {
  TakeListed();
  for (int look = 0; look < kLooks && consumed_count_ > 0; ++look) {
    const uint32_t slot = consumed_[consumed_first_];
    consumed_first_ = (consumed_first_ + 1) % consumed_.size();
    --consumed_count_;
    slots_[slot].is_listed.store(false, std::memory_order_seq_cst);
    if (!slots_[slot].is_consumed.load(std::memory_order_seq_cst)) continue;  // evicted otherwise, and used anew
    if (Evict(slot)) return slot;
    // Pinned, or still being filled: later. Another thread may have listed it meanwhile.
    if (!slots_[slot].is_listed.exchange(true, std::memory_order_seq_cst))
      consumed_[(consumed_first_ + consumed_count_++) % consumed_.size()] = slot;
  }
  return std::nullopt;
}

}  // namespace quire
