// SPDX-License-Identifier: Apache-2.0
#include "format/pack/long_member.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "format/pack/geometry.h"
#include "format/per_thread.h"
#include "format/rounding.h"

namespace quire {
namespace {

// One request to the disk; it is what fits the processor's cache beside the window of 32 KiB.
constexpr size_t kStoredPieceBytes = 128 << 10;
constexpr size_t kPassedPieceBytes = 128 << 10;  // of what is decoded only to come to what is wanted

}  // namespace

LongMember::LongMember(const CodedMember& member) : member_(member), spacing_bytes_(kPageBytes) {}

Result<InflateStream> LongMember::Begin(uint64_t offset) {
  auto kept = states_.upper_bound(offset);
  const bool has_kept = kept != states_.begin();
  if (has_kept) --kept;
  const bool goes_on =
      latest_ && latest_->size_bytes() <= offset && (!has_kept || latest_->size_bytes() >= kept->second.size_bytes());
  if (goes_on) {
    InflateStream stream = *std::move(latest_);
    latest_.reset();
    return stream;
  }
  return has_kept ? kept->second.Copy() : InflateStream::Create();
}

Result<void> LongMember::Keep(const InflateStream& stream) {
  if (stream.size_bytes() % spacing_bytes_ != 0 || states_.contains(stream.size_bytes())) return {};
  auto copy = stream.Copy();
  if (!copy) return Propagate(std::move(copy));
  states_.emplace(stream.size_bytes(), *std::move(copy));
  if (states_.size() > kMostStates) {
    spacing_bytes_ *= 2;
    std::erase_if(states_,
                  [this](const auto& state) QUIRE_REQUIRES(mutex_) { return state.first % spacing_bytes_ != 0; });
  }
  state_count_ = states_.size();
  return {};
}

void LongMember::DropStates() {
  const MutexLock lock(mutex_);
  states_.clear();
  state_count_ = 0;
}

Result<void> LongMember::ReadPiece(const InflateStream& stream, std::span<const std::byte>& stored,
                                   const ReadStored& read_stored) {
  static PerThread<FixedBuffer<kStoredPieceBytes>> buffers;
  const auto buffer = buffers.Get().span();
  const uint64_t left_bytes = member_.stored_bytes - stream.stored_bytes();
  const auto piece = buffer.first(std::min<uint64_t>(buffer.size(), left_bytes));
  if (piece.empty()) return {};
  if (auto read = read_stored(member_.stored_offset + stream.stored_bytes(), piece); !read) return read;
  stored = piece;
  return {};
}

Result<void> LongMember::Read(uint64_t offset, std::span<std::byte> into, const ReadStored& read_stored) {
  const uint64_t end = offset + into.size();
  const MutexLock lock(mutex_);
  auto stream = Begin(offset);
  if (!stream) return Propagate(std::move(stream));
  static PerThread<FixedBuffer<kPassedPieceBytes>> passed_pieces;
  const auto passed_piece = passed_pieces.Get().span();
  std::span<const std::byte> stored;
  while (stream->size_bytes() < end) {
    if (stored.empty())
      if (auto read = ReadPiece(*stream, stored, read_stored); !read) return read;
    const bool is_out_of_bytes = stored.empty();
    const uint64_t at = stream->size_bytes();
    const uint64_t next_page = AlignDown(at, kPageBytes) + kPageBytes;
    const auto room = at < offset
                          ? passed_piece.first(std::min<uint64_t>({passed_piece.size(), offset - at, next_page - at}))
                          : into.subspan(at - offset, std::min(end, next_page) - at);
    const auto inflated = stream->Inflate(stored, room);
    if (!inflated) return std::unexpected(inflated.error());
    // The last bytes taken may stand for many that are still to be given.
    if (is_out_of_bytes && *inflated == 0) return Corrupt("its deflated bytes end early");
    if (stream->has_ended() && stream->size_bytes() < member_.size_bytes)
      return Corrupt("its deflated bytes are {} inflated ones instead of {}", stream->size_bytes(), member_.size_bytes);
    if (auto kept = Keep(*stream); !kept) return kept;
  }
  if (end == member_.size_bytes)
    if (auto checked = CheckEnd(*stream, stored, read_stored); !checked) return checked;
  latest_ = *std::move(stream);
  return {};
}

Result<void> LongMember::CheckEnd(InflateStream& stream, std::span<const std::byte> stored,
                                  const ReadStored& read_stored) {
  if (stream.checksum() != static_cast<uint32_t>(member_.sum))
    return Corrupt("its {} bytes do not have the sum that the archive states", member_.size_bytes);
  std::byte further{};
  while (!stream.has_ended()) {
    if (stored.empty())
      if (auto read = ReadPiece(stream, stored, read_stored); !read) return read;
    if (stored.empty()) return Corrupt("its deflated bytes end early");
    const auto inflated = stream.Inflate(stored, std::span(&further, 1));
    if (!inflated) return std::unexpected(inflated.error());
    if (*inflated > 0) return Corrupt("its deflated bytes are more than {} inflated ones", member_.size_bytes);
  }
  return {};
}

std::shared_ptr<LongMember> LongMembers::Get(uint16_t volume, uint64_t number, const CodedMember& member) {
  const MutexLock lock(mutex_);
  const std::pair key(volume, number);
  if (const auto found = places_.find(key); found != places_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().member;
  }
  entries_.push_front({.key = key, .member = std::make_shared<LongMember>(member)});
  places_.emplace(key, entries_.begin());
  if (entries_.size() > kMostMembers) {
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return entries_.front().member;
}

void LongMembers::Trim() {
  std::vector<std::shared_ptr<LongMember>> dropped;
  {
    const MutexLock lock(mutex_);
    size_t states = 0;
    for (const Entry& entry : entries_) {
      states += entry.member->states();
      if (states > kMostStates && entry.member->states() > 0) dropped.push_back(entry.member);
    }
  }
  // Without the lock: a read of one of them may be under way.
  for (const auto& member : dropped) member->DropStates();
}

}  // namespace quire
