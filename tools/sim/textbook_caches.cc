// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/textbook_caches.h"

#include <algorithm>

#include "tools/sim/policy_cache.h"

namespace quire::lab {

ClockCache::ClockCache(const ReadSequence& sequence, uint32_t slots)
    : sequence_(sequence), slots_(slots), slot_of_(sequence.page_numbers, kNone) {}

bool ClockCache::Read(size_t index) {
  const uint32_t page = sequence_.reads[index].page;
  ++tally_.reads;
  if (slot_of_[page] != kNone) {
    slots_[slot_of_[page]].is_used = true;
    ++tally_.hits;
    return true;
  }
  while (slots_[hand_].page != kNone && slots_[hand_].is_used) {
    slots_[hand_].is_used = false;
    hand_ = (hand_ + 1) % slots_.size();
  }
  if (slots_[hand_].page != kNone) slot_of_[slots_[hand_].page] = kNone;
  slots_[hand_] = {.page = page, .is_used = true};
  slot_of_[page] = hand_;
  hand_ = (hand_ + 1) % slots_.size();
  ++tally_.fills;
  tally_.volume_bytes += sequence_.page_bytes;
  return false;
}

std::optional<uint32_t> ClockCache::PageIn(uint32_t slot) const {
  return slots_[slot].page == kNone ? std::nullopt : std::optional(slots_[slot].page);
}

BeladyCache::BeladyCache(const ReadSequence& sequence, uint32_t slots)
    : sequence_(sequence),
      next_use_(sequence.reads.size()),
      next_of_(sequence.page_numbers, kNever),
      slot_of_(sequence.page_numbers, kNone),
      page_in_(std::min(slots, sequence.page_numbers), kNone) {
  std::vector<uint32_t> next(sequence.page_numbers, kNever);
  for (size_t index = sequence.reads.size(); index-- > 0;) {
    const uint32_t page = sequence.reads[index].page;
    next_use_[index] = next[page];
    const bool goes_on = index > 0 && sequence.reads[index - 1].page == page;
    if (!goes_on) next[page] = static_cast<uint32_t>(index);
  }
}

bool BeladyCache::Read(size_t index) {
  const uint32_t page = sequence_.reads[index].page;
  ++tally_.reads;
  const bool is_hit = slot_of_[page] != kNone;
  if (is_hit) {
    ++tally_.hits;
    if (next_of_[page] == next_use_[index]) return true;  // a read side by side with the last
  } else {
    uint32_t slot = taken_;
    if (taken_ < page_in_.size()) {
      ++taken_;
    } else {
      while (true) {
        const auto [next, candidate] = farthest_.top();
        farthest_.pop();
        if (slot_of_[candidate] == kNone || next_of_[candidate] != next) continue;
        slot = slot_of_[candidate];
        slot_of_[candidate] = kNone;
        break;
      }
    }
    slot_of_[page] = slot;
    page_in_[slot] = page;
    ++tally_.fills;
    tally_.volume_bytes += sequence_.page_bytes;
  }
  next_of_[page] = next_use_[index];
  farthest_.emplace(next_use_[index], page);
  return is_hit;
}

std::optional<uint32_t> BeladyCache::PageIn(uint32_t slot) const {
  return slot >= page_in_.size() || page_in_[slot] == kNone ? std::nullopt : std::optional(page_in_[slot]);
}

std::unique_ptr<LabCache> MakeLabCache(const ReadSequence& sequence, const LabOptions& options) {
  // More slots than pages are as good as none.
  LabOptions fitting = options;
  fitting.slots = std::min(options.slots, std::max<uint32_t>(sequence.page_numbers, 1));
  if (options.policy == LabPolicy::kClock) return std::make_unique<ClockCache>(sequence, fitting.slots);
  if (options.policy == LabPolicy::kBelady) return std::make_unique<BeladyCache>(sequence, fitting.slots);
  return std::make_unique<PolicyCache>(sequence, fitting);
}

Tally Replay(const ReadSequence& sequence, const LabOptions& options) {
  const auto cache = MakeLabCache(sequence, options);
  for (size_t index = 0; index < sequence.reads.size(); ++index) cache->Read(index);
  return cache->tally();
}

}  // namespace quire::lab
