// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/policy_cache.h"

#include <algorithm>
#include <cassert>

#include "format/rounding.h"

namespace quire::lab {
namespace {

constexpr uint32_t kSlabUnitBytes = 4096;  // as extent_slabs.h rounds what it keeps
// Accounts of admission are 16 bytes a page: a trace may claim any number of pages, and a volume that is larger than 8
// TiB counts as one of that size, which is as far from fitting.
constexpr uint64_t kMostAccounts = uint64_t{1} << 22;
// As page_cache.cc: of the slots, what prefetched pages may take.
constexpr uint32_t kReadaheadShare = 4;
constexpr uint32_t kMaxReadaheadPages = 28;

PolicyKind KindOf(LabPolicy policy) {
  switch (policy) {
    case LabPolicy::kFifo:
      return PolicyKind::kFifo;
    case LabPolicy::kLru:
      return PolicyKind::kLru;
    case LabPolicy::kPin:
      return PolicyKind::kPin;
    default:
      return PolicyKind::kAuto;
  }
}

Residency::Data DataOf(const ReadSequence& sequence) {
  return {.bytes = sequence.volume_pages * sequence.page_bytes,
          .samples = sequence.volume_pages,
          .pages = sequence.volume_pages,
          .is_arena_asked_for = true};
}

}  // namespace

void KeptExtents::Add(uint64_t place, uint64_t bytes) {
  if (slabs_.empty()) return;
  const uint64_t room_bytes = AlignUp(bytes, kSlabUnitBytes);
  if (slabs_[current_].used_bytes + room_bytes > kPageBytes) {
    current_ = (current_ + 1) % slabs_.size();
    for (const uint64_t gone : slabs_[current_].places) slab_of_.erase(gone);
    slabs_[current_] = {};
  }
  slabs_[current_].used_bytes += room_bytes;
  slabs_[current_].places.push_back(place);
  slab_of_[place] = current_;
}

PolicyCache::PolicyCache(const ReadSequence& sequence, const LabOptions& options)
    : sequence_(sequence),
      options_(options),
      memory_(options.slots),
      table_(sequence.page_numbers, 0, options.slots, options.readers_keep && !sequence.is_reference_string()),
      residency_(PushMode::kOff, DataOf(sequence), {}),
      supply_(table_, memory_, residency_, KindOf(options.policy), [this](uint32_t slot) { Evicted(slot); }),
      admission_(options.admission,
                 std::max<uint64_t>(sequence.page_numbers, std::min(sequence.volume_pages, kMostAccounts)),
                 options.slots),
      readahead_(sequence.page_numbers, std::min(options.slots / kReadaheadShare, kMaxReadaheadPages)),
      extents_(options.slabs) {
  if (options.policy != LabPolicy::kPlan) return;
  std::vector<uint64_t> future;
  future.reserve(sequence.reads.size());
  for (const LabRead& read : sequence.reads) future.push_back(read.page);
  supply_.policy().SetFuture(future);
}

bool PolicyCache::Read(size_t index) {
  const LabRead& read = sequence_.reads[index];
  ++tally_.reads;
  if (sequence_.is_reference_string()) now_ = index + 1;
  if (supply_.policy().wants_accesses()) supply_.policy().Access(read.page);
  if (TakeHit(read)) {
    ++tally_.hits;
    return true;
  }
  Miss(read);
  return false;
}

bool PolicyCache::TakeHit(const LabRead& read) {
  if (IsHeld(read.page)) {
    const uint32_t slot = table_.slot_of(read.page);
    table_.Use(slot, now_, read.wanted_bytes);
    UseFirstTime(slot, read);
    return true;
  }
  return extents_.Has(PlaceOf(read));
}

void PolicyCache::Miss(const LabRead& read) {
  ++misses_;
  if (!sequence_.is_reference_string()) now_ = misses_;
  const auto advice = options_.readahead ? readahead_.Access(PlaceOf(read), read.extent_bytes) : Readahead::Advice();
  const auto free = supply_.FindFree();
  const auto place = free ? free : supply_.FindVictim();
  const Admission::Miss miss = {.page = read.page,
                                .page_bytes = sequence_.page_bytes,
                                .extent_bytes = read.extent_bytes,
                                .in_run = advice.in_run,
                                .has_free_slot = free.has_value(),
                                .has_victim = place && !free,
                                .victim_used_at = place ? place->used_at : 0};
  const Admit admit = admission_.Decide(miss, misses_, options_.costs);
  if (place && admit == Admit::kPage && supply_.Take(*place)) {
    ++tally_.fills;
    Fill(place->slot, read.page, /*is_readahead=*/false);
    table_.Use(place->slot, now_, read.wanted_bytes);
  } else {
    if (place) supply_.PutBack(*place);
    ++tally_.bypasses;
    tally_.volume_bytes += read.extent_bytes;
    extents_.Add(PlaceOf(read), read.extent_bytes);
  }
  FollowRun(advice);
}

void PolicyCache::Fill(uint32_t slot, uint64_t page, bool is_readahead) {
  table_.Enter(slot, page, sequence_.page_bytes, now_, is_readahead);
  table_.Open(slot, now_);
  tally_.volume_bytes += sequence_.page_bytes;
}

void PolicyCache::UseFirstTime(uint32_t slot, const LabRead& read) {
  if (!table_.TakeUnused(slot)) return;
  readahead_.PrefetchUsed();
  FollowRun(readahead_.Access(PlaceOf(read), read.extent_bytes));
}

void PolicyCache::FollowRun(const Readahead::Advice& advice) {
  for (uint64_t page = advice.first_page; page < advice.first_page + advice.pages; ++page) {
    const bool is_wanted = page < sequence_.page_numbers && !IsHeld(page);
    const auto slot = is_wanted ? supply_.TakeAny() : std::nullopt;
    if (slot) {
      Fill(*slot, page, /*is_readahead=*/true);
      ++tally_.prefetches;
    } else {
      readahead_.PrefetchDeclined();
    }
  }
}

void PolicyCache::Evicted(uint32_t slot) {
  if (table_.TakeUnused(slot)) readahead_.PrefetchWasted();
}

std::optional<uint32_t> PolicyCache::PageIn(uint32_t slot) const {
  const uint64_t page = table_.page_of(slot);
  if (page >= sequence_.page_numbers || !IsHeld(page) || table_.slot_of(page) != slot) return std::nullopt;
  return static_cast<uint32_t>(page);
}

}  // namespace quire::lab
