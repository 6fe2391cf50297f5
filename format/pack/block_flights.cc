// SPDX-License-Identifier: Apache-2.0
#include "format/pack/block_flights.h"

#include <algorithm>
#include <cassert>

namespace quire {

const BlockFlight* BlockFlights::Find(size_t level, uint64_t block) const {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.flight.level == level && entry.flight.begin <= block && block < entry.flight.end;
  });
  return found == entries_.end() ? nullptr : &found->flight;
}

const BlockFlight* BlockFlights::Begin(size_t level, uint64_t begin, uint64_t end) {
  assert(begin < end);
  auto read = start_(level, begin, end);
  if (read == nullptr) return nullptr;
  entries_.push_back({.flight = {.level = level, .begin = begin, .end = end, .read = std::move(read)}});
  ++clock_;
  return &entries_.back().flight;
}

uint64_t BlockFlights::BeginAhead(uint64_t begin, uint64_t end, uint64_t piece) {
  while (begin + piece <= end && MakeRoom()) {
    if (Begin(0, begin, begin + piece) == nullptr) break;
    entries_.back().is_ahead = true;
    entries_.back().begun_at = clock_;
    begin += piece;
  }
  return begin;
}

bool BlockFlights::MakeRoom() {
  if (static_cast<size_t>(std::ranges::count_if(entries_, &Entry::is_ahead)) < kMaxAhead) return true;
  // One that is under way still uses its memory.
  return std::erase_if(entries_, [&](const Entry& entry) {
           return entry.is_ahead && clock_ - entry.begun_at > kMaxAge && entry.flight.read->has_ended();
         }) > 0;
}

void BlockFlights::Forget(const std::shared_ptr<PendingRead>& read) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.flight.read == read; });
}

}  // namespace quire
