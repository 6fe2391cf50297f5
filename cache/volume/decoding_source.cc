// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/decoding_source.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include "cache/steady_clock.h"

namespace quire {
namespace {

// Threads that wait for a server have its round trip to wait for: as many requests of 256 KiB as give 1 GB/s at 8 ms.
constexpr unsigned kThreadsFarAway = 32;

// A thread waits for the disk about as long as it decodes: two for each core keep both busy.
unsigned ChooseThreads(const Pack& pack) {
  return std::clamp(2 * std::thread::hardware_concurrency(), pack.bytes() != nullptr ? kThreadsFarAway : 4U, 64U);
}

uint32_t ChooseRequestBytes(const Pack& pack) {
  for (uint16_t volume = 1; volume < pack.volume_count(); ++volume)
    if (pack.IsDecoded(volume) && !pack.IsFramed(volume)) return kPageBytes;
  return kFrameBytes;
}

}  // namespace

DecodingSource::DecodingSource(const Pack& pack) : pack_(pack), request_bytes_(ChooseRequestBytes(pack)) {}

Result<std::unique_ptr<VolumeSource>> DecodingSource::Create(const Pack& pack, int nice) {
  std::unique_ptr<DecodingSource> source(new DecodingSource(pack));
  for (ReadThreads* const threads : {&source->threads_, &source->long_threads_})
    if (auto started = threads->Start(ChooseThreads(pack), nice); !started) return Propagate(std::move(started));
  return source;
}

std::string DecodingSource::Describe() const { return fmt::format("{} threads decode", threads_.size()); }

std::optional<DecodingSource::MemberKey> DecodingSource::FindLong(const VolumeRead& read) const {
  const auto number = pack_.FindLongMember(read.volume, read.offset);
  return number ? std::optional(MemberKey(read.volume, *number)) : std::nullopt;
}

void DecodingSource::ReadShort(VolumeRead& read) {
  if (!FindLong(read)) return Read(read);
  read.next = nullptr;
  long_threads_.Submit(&read);
}

// Those that come meanwhile are read by this thread too, since another one would only wait for it: in the order of
// their places, as decoding goes.
void DecodingSource::ReadLong(VolumeRead& read) {
  const auto found = FindLong(read);
  if (!found) return Read(read);  // its index cannot be read any more
  const MemberKey key = *found;
  {
    const MutexLock lock(mutex_);
    const auto [member, is_first] = waiting_.try_emplace(key);
    if (!is_first) return member->second.Push(read);
  }
  for (VolumeRead* next = &read; next != nullptr;) {
    const uint64_t offset = next->offset;
    Read(*next);
    const MutexLock lock(mutex_);
    ReadQueue& waiting = waiting_[key];
    // The nearest one behind, else the first of all.
    const auto rank = [offset](const VolumeRead& other) { return std::pair(other.offset < offset, other.offset); };
    next = waiting.first();
    for (VolumeRead* other = next; other != nullptr; other = other->next)
      if (rank(*other) < rank(*next)) next = other;
    if (next == nullptr)
      waiting_.erase(key);
    else
      waiting.TakeIf([next](const VolumeRead& other) { return &other == next; }, [](VolumeRead&) {});
  }
}

void DecodingSource::Read(VolumeRead& read) const {
  const auto volume = pack_.index().GetVolume(read.volume);
  if (!volume) return read.done(read, -EIO);
  const uint64_t end = std::min(volume->data_end, read.offset + read.bytes);
  const std::span into(read.into, end - std::min(end, read.offset));
  const uint64_t began_ns = NowNs();
  const auto got = pack_.ReadRaw(read.volume, read.offset, into);
  read.decode_ns = NowNs() - began_ns;
  if (got) return read.done(read, static_cast<int64_t>(into.size()));
  read.done(read, got.error().system_errno == 0 ? -EIO : -got.error().system_errno);
}

}  // namespace quire
