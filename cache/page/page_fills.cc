// SPDX-License-Identifier: Apache-2.0
#include "cache/page/page_fills.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "format/rounding.h"

namespace quire {
namespace {

// How many readers wait at a time is the mean over so many of the last urgent reads.
constexpr double kUrgentWindow = 32;
// After so many background reads (16 MiB) without an urgent one, no reader is taken to wait.
constexpr uint32_t kNobodyWaitsAfter = 64;
// For each read that waits beside another one. Cold shuffled epochs of images: two readers are told by 1.2 to 1.5 of
// them and eight by 2.0 to 2.5; with 3 for each these have the 4 and 8 in flight with which they were fastest.
constexpr double kForEachThatWaits = 3;

}  // namespace

PageFills::PageFills(uint32_t slots, const VolumeSet& volumes, ReadQueue& to_submit, PageCache* cache,
                     void (*done)(VolumeRead& read, int64_t result))
    : volumes_(volumes),
      alignment_bytes_(volumes.alignment_bytes()),
      units_a_request_(
          std::max<uint32_t>(volumes.request_bytes() / UnitSet::kUnitBytes, UnitSet::kUnits / (kRequests / 2))),
      most_background_(volumes.depth()),
      fills_(slots),
      to_submit_(to_submit) {
  for (uint32_t slot = 0; slot < slots; ++slot) {
    for (Request& request : fills_[slot].requests) {
      request.cache = cache;
      request.slot = slot;
      request.done = done;
      request.is_of_fill = true;
    }
  }
}

uint32_t PageFills::Begin(uint32_t slot, FillKind kind, const VolumeSet::Page& page, const UnitSet& leave_out,
                          std::byte* into, uint64_t now_ns) {
  Fill& fill = fills_[slot];
  assert(!fill.is_filling && fill.waiters.empty() && page.begin < page.end);
  fill.is_filling = true;
  fill.has_memory = false;
  fill.kind = kind;
  fill.free_requests = static_cast<uint16_t>(~0U);
  fill.pending = UnitSet::Touching(page.begin % kPageBytes, page.end - page.begin);
  fill.left_out = fill.pending & leave_out;
  if (fill.left_out == fill.pending) fill.left_out = {};
  fill.pending -= fill.left_out;
  fill.unsent = fill.pending;
  fill.failed = {};
  fill.read_bytes = 0;
  fill.into = into;
  fill.page = page;
  fill.began_ns = now_ns;
  ++filling_[static_cast<size_t>(kind)];
  return fill.left_out.count() * UnitSet::kUnitBytes;
}

void PageFills::HasMemory(uint32_t slot) {
  Fill& fill = fills_[slot];
  fill.has_memory = true;
  for (const ExtentRead* read = fill.waiters.first(); read != nullptr; read = read->next)
    SendUrgent(fill, UnitsOf(read->extent));
  if (fill.unsent.empty()) return;
  Queue& queue = queues_[static_cast<size_t>(fill.kind)];
  (queue.count++ == 0 ? queue.first : fills_[queue.last].next_queued) = slot;
  queue.last = slot;
  fill.is_queued = true;
}

void PageFills::HasNoMemory(uint32_t slot) {
  Fill& fill = fills_[slot];
  fill.failed = UnitSet(0, UnitSet::kUnits);
  fill.pending = {};
  fill.unsent = {};
}

void PageFills::Join(uint32_t slot, ExtentRead& read) {
  Fill& fill = fills_[slot];
  fill.waiters.Push(read);
  const UnitSet units = UnitsOf(read.extent);
  const UnitSet needed_after_all = units & fill.left_out;
  fill.left_out -= needed_after_all;
  fill.pending |= needed_after_all;
  fill.unsent |= needed_after_all;
  if (fill.has_memory) SendUrgent(fill, units);
}

// Far away a request of any size up to the source's best takes about as long, so an extent's brings what lies around
// it: in one piece with it, not as two more.
UnitSet PageFills::WorthOneRequest(const UnitSet& units) const {
  if (units.empty() || volumes_.background_depth() == 0) return units;
  const unsigned begin = units.first() / units_a_request_ * units_a_request_;
  const unsigned end = CeilDiv(units.first() + units.first_run(), units_a_request_) * units_a_request_;
  return UnitSet(begin, std::min(end, unsigned{UnitSet::kUnits}) - begin);
}

void PageFills::SendUrgent(Fill& fill, const UnitSet& units) {
  UnitSet unsent = units & fill.unsent;
  if (!unsent.empty()) unsent = WorthOneRequest(units) & fill.unsent;
  while (!unsent.empty() && fill.free_requests != 0) {
    const UnitSet sent(unsent.first(), std::min(unsent.first_run(), units_a_request_));
    Send(fill, sent, true);
    unsent -= sent;
  }
}

bool PageFills::SendNext(Fill& fill) {
  if (fill.free_requests == 0) return false;
  const unsigned first = fill.unsent.first();
  const unsigned count = std::min(fill.unsent.first_run(), units_a_request_ - first % units_a_request_);
  Send(fill, UnitSet(first, count), false);
  return true;
}

void PageFills::Send(Fill& fill, const UnitSet& units, bool is_urgent) {
  const auto number = static_cast<unsigned>(std::countr_zero(fill.free_requests));
  fill.free_requests &= static_cast<uint16_t>(~(1U << number));
  fill.unsent -= units;
  const uint64_t page_begin = fill.page.number * kPageBytes;
  const uint64_t units_begin = page_begin + uint64_t{units.first()} * UnitSet::kUnitBytes;
  const uint64_t begin = std::max(units_begin, fill.page.begin / alignment_bytes_ * alignment_bytes_);
  const uint64_t end = std::min(units_begin + uint64_t{units.count()} * UnitSet::kUnitBytes, fill.page.end);
  Request& request = fill.requests[number];
  request.units = units;
  request.is_urgent = is_urgent;
  request.volume = fill.page.volume;
  request.offset = begin;
  request.into = fill.into + (begin - page_begin);
  request.needed_bytes = static_cast<uint32_t>(end - begin);
  request.bytes = static_cast<uint32_t>(AlignUp(request.needed_bytes, alignment_bytes_));
  to_submit_.Push(request);
  if (is_urgent) return UrgentSent();
  ++background_in_flight_;
  ++sent_since_urgent_;
}

void PageFills::UrgentSent() {
  ++urgent_in_flight_;
  urgents_together_ += (urgent_in_flight_ - urgents_together_) / kUrgentWindow;
  sent_since_urgent_ = 0;
}

// The first fill in the queues that has something to send. Those that have nothing any more leave their queue here.
PageFills::Fill* PageFills::NextQueued() {
  for (Queue& queue : queues_) {
    while (queue.count > 0) {
      Fill& fill = fills_[queue.first];
      if (!fill.unsent.empty()) return &fill;
      fill.is_queued = false;
      queue.first = fill.next_queued;
      --queue.count;
    }
  }
  return nullptr;
}

void PageFills::Pump(uint32_t busy_depth) {
  const double wanted = busy_depth + kForEachThatWaits * (urgents_together_ - 1);
  const bool somebody_waits = sent_since_urgent_ < kNobodyWaitsAfter;
  uint32_t depth =
      somebody_waits ? std::min(most_background_, static_cast<uint32_t>(std::lround(wanted))) : most_background_;
  if (const uint32_t found = volumes_.background_depth(); found > 0) depth = found;
  while (background_in_flight_ < depth) {
    Fill* const fill = NextQueued();
    if (fill == nullptr || !SendNext(*fill)) return;
  }
}

bool PageFills::Came(Request& request, bool is_complete) {
  Fill& fill = fills_[request.slot];
  --(request.is_urgent ? urgent_in_flight_ : background_in_flight_);
  if (!is_complete) fill.failed |= request.units;
  fill.pending -= request.units;
  fill.free_requests |= static_cast<uint16_t>(1U << (&request - fill.requests.data()));
  if (fill.unsent.empty()) return fill.pending.empty();
  // For those who found no request free.
  for (const ExtentRead* read = fill.waiters.first(); read != nullptr; read = read->next)
    SendUrgent(fill, UnitsOf(read->extent));
  return false;
}

void PageFills::Ended(uint32_t slot) {
  Fill& fill = fills_[slot];
  assert(fill.is_filling && fill.pending.empty() && fill.waiters.empty());
  fill.is_filling = false;
  --filling_[static_cast<size_t>(fill.kind)];
  if (fill.is_queued) Unqueue(slot);
}

// Nearly always it is the first: only fills that readers asked for to the last byte end further behind.
void PageFills::Unqueue(uint32_t slot) {
  Queue& queue = queues_[static_cast<size_t>(fills_[slot].kind)];
  fills_[slot].is_queued = false;
  if (queue.first == slot) {
    queue.first = fills_[slot].next_queued;
  } else {
    uint32_t before = queue.first;
    while (fills_[before].next_queued != slot) before = fills_[before].next_queued;
    fills_[before].next_queued = fills_[slot].next_queued;
    if (queue.last == slot) queue.last = before;
  }
  --queue.count;
}

}  // namespace quire
