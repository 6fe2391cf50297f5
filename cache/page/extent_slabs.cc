// SPDX-License-Identifier: Apache-2.0
#include "cache/page/extent_slabs.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <optional>

#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {

ExtentSlabs::ExtentSlabs(const Arena& arena, uint32_t slabs, uint32_t alignment_bytes)
    : arena_(arena),
      alignment_bytes_(alignment_bytes),
      slabs_(slabs),
      entries_(slabs * (kPageBytes / kUnitBytes)),
      buckets_(std::bit_ceil(entries_.size())) {
  for (Entry& entry : entries_) {
    entry.next_in_slab = unused_;
    unused_ = &entry;
  }
}

ExtentSlabs::Entry* ExtentSlabs::Find(ExtentNumber number) const {
  Entry* entry = buckets_[number & (buckets_.size() - 1)];
  while (entry != nullptr && entry->number != number) entry = entry->next_in_bucket;
  return entry;
}

ExtentSlabs::Entry* ExtentSlabs::Allocate(ExtentNumber number, const Extent& extent) {
  assert(Find(number) == nullptr);
  const uint64_t begin = AlignDown(extent.offset, alignment_bytes_);
  const uint64_t end = AlignUp(extent.offset + extent.length_bytes, alignment_bytes_);
  const auto room_bytes = static_cast<uint32_t>(AlignUp(end - begin, kUnitBytes));
  if (!arena_.is_populated(current_) || slabs_[current_].used_bytes + room_bytes > kPageBytes)
    if (!Rotate()) return nullptr;

  Slab& slab = slabs_[current_];
  Entry* const entry = unused_;  // there is one: entries are at least as large as a unit
  unused_ = entry->next_in_slab;
  entry->volume = extent.volume;
  entry->offset = begin;
  entry->into = arena_.slot(current_).data() + slab.used_bytes;
  entry->bytes = static_cast<uint32_t>(end - begin);
  entry->slot = current_;
  entry->number = number;
  entry->extent = extent;
  entry->begin = slab.used_bytes + static_cast<uint32_t>(extent.offset - begin);
  entry->given_bytes = 0;
  entry->is_filled = false;
  entry->was_wrong = false;
  entry->is_fresh = false;
  entry->next_in_bucket = Bucket(number);
  Bucket(number) = entry;
  entry->next_in_slab = slab.entries;
  slab.entries = entry;
  slab.used_bytes += room_bytes;
  Pin(current_);
  return entry;
}

bool ExtentSlabs::Rotate() {
  for (uint32_t step = 1; step <= slabs_.size(); ++step) {
    const uint32_t next = (current_ + step) % slabs_.size();
    Slab& slab = slabs_[next];
    if (!arena_.is_populated(next) || slab.is_coming || slab.pins.load(std::memory_order_seq_cst) != 0) continue;
    Empty(slab);
    current_ = next;
    return true;
  }
  return false;
}

void ExtentSlabs::Empty(Slab& slab) {
  while (slab.entries != nullptr) {
    Entry* const entry = slab.entries;
    slab.entries = entry->next_in_slab;
    Forget(*entry);
    entry->next_in_slab = unused_;
    unused_ = entry;
  }
  slab.used_bytes = 0;
}

std::optional<uint32_t> ExtentSlabs::TakeBare() {
  if (std::ranges::any_of(slabs_, [](const Slab& slab) { return slab.is_coming; })) return std::nullopt;
  for (uint32_t slab = 0; slab < slabs_.size(); ++slab) {
    if (arena_.is_populated(slab)) continue;
    slabs_[slab].is_coming = true;
    return slab;
  }
  return std::nullopt;
}

void ExtentSlabs::ReleaseMemory(Arena& arena) {
  for (uint32_t slab = kFirstSlots; slab < slabs_.size(); ++slab) {
    const bool is_used = slabs_[slab].is_coming || slabs_[slab].pins.load(std::memory_order_seq_cst) != 0;
    if (is_used || !arena.is_populated(slab)) continue;
    Empty(slabs_[slab]);
    arena.Release(slab);
    if (current_ == slab) current_ = 0;
  }
}

void ExtentSlabs::Discard(Entry& entry) { Forget(entry); }

// Out of its bucket, where a failed one is no longer.
void ExtentSlabs::Forget(Entry& entry) {
  for (Entry** link = &Bucket(entry.number); *link != nullptr; link = &(*link)->next_in_bucket) {
    if (*link != &entry) continue;
    *link = entry.next_in_bucket;
    return;
  }
}

}  // namespace quire
