#include "cache/page/page_fills.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "format/coding.h"

namespace quire {
namespace {

// `count` bits from `first` on.
constexpr uint32_t Bits(unsigned first, unsigned count) {
  return static_cast<uint32_t>(((uint64_t{1} << count) - 1) << first);
}

}  // namespace

PageFills::PageFills(uint32_t slots, const VolumeSet& volumes, ReadQueue& to_submit, PageCache* cache,
                     void (*done)(VolumeRead& read, int64_t result))
    : alignment_bytes_(volumes.alignment_bytes()),
      units_a_request_(std::max<uint32_t>(volumes.request_bytes() / kUnitBytes, kUnits / (kRequests / 2))),
      background_depth_(volumes.depth()),
      fills_(slots),
      to_submit_(to_submit) {
  for (uint32_t slot = 0; slot < slots; ++slot) {
    for (Request& request : fills_[slot].requests) {
      request.cache = cache;
      request.slot = slot;
      request.done = done;
    }
  }
}

uint32_t PageFills::UnitsOf(const Extent& extent) {
  const uint64_t begin = extent.offset % kPageBytes;
  const auto first = static_cast<unsigned>(begin / kUnitBytes);
  const auto last = static_cast<unsigned>((begin + std::max(extent.length_bytes, 1U) - 1) / kUnitBytes);
  return Bits(first, last - first + 1);
}

void PageFills::Begin(uint32_t slot, FillKind kind, const VolumeSet::Page& page, std::byte* into, uint64_t now_ns) {
  Fill& fill = fills_[slot];
  assert(!fill.is_filling && fill.waiters.empty() && page.begin < page.end);
  const auto first = static_cast<unsigned>(page.begin % kPageBytes / kUnitBytes);
  const auto last = static_cast<unsigned>((page.end - 1) % kPageBytes / kUnitBytes);
  fill.is_filling = true;
  fill.has_memory = false;
  fill.kind = kind;
  fill.free_requests = Bits(0, kRequests);
  fill.pending = Bits(first, last - first + 1);
  fill.unsent = fill.pending;
  fill.failed = 0;
  fill.read_bytes = 0;
  fill.into = into;
  fill.page = page;
  fill.began_ns = now_ns;
  ++filling_[static_cast<size_t>(kind)];
}

void PageFills::HasMemory(uint32_t slot) {
  Fill& fill = fills_[slot];
  fill.has_memory = true;
  for (const ExtentRead* read = fill.waiters.first(); read != nullptr; read = read->next)
    SendUrgent(fill, UnitsOf(read->extent));
  if (fill.unsent == 0) return;
  Queue& queue = queues_[static_cast<size_t>(fill.kind)];
  (queue.count++ == 0 ? queue.first : fills_[queue.last].next_queued) = slot;
  queue.last = slot;
  fill.is_queued = true;
}

void PageFills::HasNoMemory(uint32_t slot) {
  Fill& fill = fills_[slot];
  fill.failed = ~uint32_t{0};
  fill.pending = 0;
  fill.unsent = 0;
}

void PageFills::Join(uint32_t slot, ExtentRead& read) {
  Fill& fill = fills_[slot];
  fill.waiters.Push(read);
  if (fill.has_memory) SendUrgent(fill, UnitsOf(read.extent));
}

void PageFills::SendUrgent(Fill& fill, uint32_t units) {
  uint32_t unsent = units & fill.unsent;
  while (unsent != 0 && fill.free_requests != 0) {
    const auto first = static_cast<unsigned>(std::countr_zero(unsent));
    const auto run = static_cast<unsigned>(std::countr_one(unsent >> first));
    const uint32_t sent = Bits(first, std::min(run, units_a_request_));
    Send(fill, sent, true);
    unsent &= ~sent;
  }
}

bool PageFills::SendNext(Fill& fill) {
  if (fill.free_requests == 0) return false;
  const auto first = static_cast<unsigned>(std::countr_zero(fill.unsent));
  const auto run = static_cast<unsigned>(std::countr_one(fill.unsent >> first));
  Send(fill, Bits(first, std::min(run, units_a_request_ - first % units_a_request_)), false);
  return true;
}

void PageFills::Send(Fill& fill, uint32_t units, bool is_urgent) {
  const auto number = static_cast<unsigned>(std::countr_zero(fill.free_requests));
  fill.free_requests &= static_cast<uint16_t>(~Bits(number, 1));
  fill.unsent &= ~units;
  const auto first = static_cast<uint32_t>(std::countr_zero(units));
  const auto count = static_cast<uint32_t>(std::popcount(units));
  const uint64_t page_begin = fill.page.number * kPageBytes;
  const uint64_t begin =
      std::max(page_begin + uint64_t{first} * kUnitBytes, fill.page.begin / alignment_bytes_ * alignment_bytes_);
  const uint64_t end = std::min(page_begin + uint64_t{first + count} * kUnitBytes, fill.page.end);
  Request& request = fill.requests[number];
  request.units = units;
  request.is_urgent = is_urgent;
  request.volume = fill.page.volume;
  request.offset = begin;
  request.into = fill.into + (begin - page_begin);
  request.needed_bytes = static_cast<uint32_t>(end - begin);
  request.bytes = static_cast<uint32_t>(CeilDiv(request.needed_bytes, alignment_bytes_) * alignment_bytes_);
  if (!is_urgent) ++background_in_flight_;
  to_submit_.Push(request);
}

// The first fill in the queues that has something to send. Those that have nothing any more leave their queue here.
PageFills::Fill* PageFills::NextQueued() {
  for (Queue& queue : queues_) {
    while (queue.count > 0) {
      Fill& fill = fills_[queue.first];
      if (fill.unsent != 0) return &fill;
      fill.is_queued = false;
      queue.first = fill.next_queued;
      --queue.count;
    }
  }
  return nullptr;
}

void PageFills::Pump() {
  while (background_in_flight_ < background_depth_) {
    Fill* const fill = NextQueued();
    if (fill == nullptr || !SendNext(*fill)) return;
  }
}

bool PageFills::Came(Request& request, bool is_complete) {
  Fill& fill = fills_[request.slot];
  if (!request.is_urgent) --background_in_flight_;
  if (!is_complete) fill.failed |= request.units;
  fill.pending &= ~request.units;
  fill.free_requests |= static_cast<uint16_t>(1U << (&request - fill.requests.data()));
  if (fill.unsent == 0) return fill.pending == 0;
  // For those who found no request free.
  for (const ExtentRead* read = fill.waiters.first(); read != nullptr; read = read->next)
    SendUrgent(fill, UnitsOf(read->extent));
  return false;
}

void PageFills::Ended(uint32_t slot) {
  Fill& fill = fills_[slot];
  assert(fill.is_filling && fill.pending == 0 && fill.waiters.empty());
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
