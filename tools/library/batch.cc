// SPDX-License-Identifier: Apache-2.0
#include "tools/library/batch.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "format/pack/sample_content.h"
#include "tools/library/border.h"

namespace quire {
namespace {

constexpr uint64_t kNowhere = ~uint64_t{0};

}  // namespace

std::optional<Error> Batch::Read(std::span<quire_request> requests) {
  requests_ = requests;
  for (size_t number = 0; number < requests.size(); ++number) {
    quire_request& request = requests[number];
    auto bytes = Begin(request, number);
    if (bytes)
      request.result = static_cast<int64_t>(*bytes);
    else
      Fail(number, std::move(bytes).error());
  }
  std::ranges::sort(parts_, {}, &Part::place);
  if (requests.size() > 1) ChooseAlone();  // one by one they may be a run, which the cache follows
  ReadParts({});
  const MutexLock lock(mutex_);
  return std::move(first_error_);
}

void Batch::Prefetch(std::span<const NodeNumber> nodes, const std::stop_token& stop) {
  parts_.reserve(nodes.size());
  for (const NodeNumber number : nodes) {
    const auto node = pack_.GetSample(number);
    if (!node || !AddParts(*node, 0, node->size_bytes, nullptr, 0)) continue;  // who reads it is told
  }
  std::ranges::sort(parts_, {}, &Part::place);
  ReadParts(stop);
}

Result<uint64_t> Batch::Begin(const quire_request& request, size_t number) {
  if (request.buffer == nullptr && request.capacity > 0)
    return Invalid("request {}: its buffer is NULL, and its capacity {}", number, request.capacity);
  const auto node = pack_.GetSample(request.node);
  if (!node) return std::unexpected(node.error());
  const uint64_t begin = std::min(request.offset, node->size_bytes);
  const uint64_t bytes = std::min<uint64_t>(request.capacity, node->size_bytes - begin);
  auto* const into = static_cast<std::byte*>(request.buffer);
  if (SampleBytes had; pack_.reader().TryRead(*node, begin, bytes, had)) {
    Copy(had, into);
    return bytes;
  }
  const size_t parts_before = parts_.size();
  if (auto added = AddParts(*node, begin, begin + bytes, into, number); !added) {
    parts_.resize(parts_before);
    return Propagate(std::move(added));
  }
  return bytes;
}

Result<void> Batch::AddParts(const Node& node, uint64_t offset, uint64_t end, std::byte* into, size_t number) {
  while (offset < end) {
    const auto run = FindRun(pack_.index(), node, offset);
    if (!run) return std::unexpected(run.error());
    const uint64_t bytes = std::min(run->length_bytes, end - offset);
    if (run->extent) {
      const auto extent = pack_.index().GetExtent(*run->extent);
      if (!extent) return std::unexpected(extent.error());
      // Of a volume that cannot be had reading tells.
      const auto page = pack_.reader().cache().FindPage(*extent);
      const uint64_t place = page ? *page * kPageBytes + extent->offset % kPageBytes : kNowhere;
      parts_.push_back(
          {.place = place, .offset = offset, .bytes = bytes, .into = into, .request = number, .node = node});
    } else if (into != nullptr) {
      std::memset(into, 0, bytes);
    }
    if (into != nullptr) into += bytes;
    offset += bytes;
  }
  return {};
}

void Batch::ChooseAlone() {
  for (auto first = parts_.begin(); first != parts_.end() && first->place != kNowhere;) {
    const uint64_t page = first->place / kPageBytes;
    uint64_t bytes = 0;
    auto end = first;
    for (; end != parts_.end() && end->place / kPageBytes == page; ++end) bytes += end->bytes;
    if (bytes < kPageBytes / kLittleShare && pack_.IsReadAlone(page))
      std::for_each(first, end, [](Part& part) { part.is_alone = true; });
    first = end;
  }
}

void Batch::ReadParts(const std::stop_token& stop) {
  for (const Part& part : parts_) {
    if (stop.stop_requested()) break;
    Start(WaitForFlight(), part);
  }
  WaitForAll();
}

void Batch::Copy(const SampleBytes& bytes, std::byte* into) {
  if (into == nullptr) return;
  for (const std::span<const std::byte> slice : bytes.slices()) {
    std::memcpy(into, slice.data(), slice.size());
    into += slice.size();
  }
}

void Batch::Start(Flight& flight, const Part& part) {
  flight.batch = this;
  flight.part = &part;
  flight.node = part.node;
  flight.offset = part.offset;
  flight.bytes = part.bytes;
  flight.is_alone = part.is_alone;
  flight.done = PartDone;
  try {
    pack_.reader().Start(flight);
  } catch (const std::bad_alloc&) {  // by the index; the read has not begun
    End(flight);
    throw;
  }
}

// By a thread of the cache, or by the reader's own.
void Batch::PartDone(SampleRead& read, Result<SampleBytes> result) {
  auto& flight = static_cast<Flight&>(read);
  Batch& batch = *flight.batch;
  if (result)
    Copy(*result, flight.part->into);
  else if (flight.part->into != nullptr)
    batch.Fail(flight.part->request, std::move(result).error());
  result = SampleBytes();  // its pin goes before the reader may close the pack
  batch.End(flight);
}

void Batch::End(Flight& flight) {
  const MutexLock lock(mutex_);
  free_[free_count_++] = &flight;
  came_.notify_one();  // with the lock held: the batch may be gone when its reader has seen this
}

Batch::Flight& Batch::WaitForFlight() {
  MutexLock lock(mutex_);
  if (flights_ == nullptr) {
    flights_ = std::make_unique<std::array<Flight, kWindow>>();
    for (Flight& flight : *flights_) free_[free_count_++] = &flight;
  }
  came_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return free_count_ > 0; });
  return *free_[--free_count_];
}

void Batch::WaitForAll() {
  if (flights_ == nullptr) return;
  MutexLock lock(mutex_);
  came_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return free_count_ == kWindow; });
}

void Batch::Fail(size_t request, Error error) {
  const MutexLock lock(mutex_);
  requests_[request].result = NumberOf(error);
  if (first_error_ && first_failed_ <= request) return;
  first_failed_ = request;
  first_error_ = std::move(error);
}

}  // namespace quire
