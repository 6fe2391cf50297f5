// SPDX-License-Identifier: Apache-2.0
#include "format/pack/long_member.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "format/pack/geometry.h"
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
  if (states_.size() <= kMostStates) return {};
  spacing_bytes_ *= 2;
  std::erase_if(states_,
                [this](const auto& state) QUIRE_REQUIRES(mutex_) { return state.first % spacing_bytes_ != 0; });
  return {};
}

Result<void> LongMember::Read(uint64_t offset, std::span<std::byte> into, const ReadStored& read_stored) {
  const uint64_t end = offset + into.size();
  const MutexLock lock(mutex_);
  auto stream = Begin(offset);
  if (!stream) return Propagate(std::move(stream));
  static thread_local std::vector<std::byte> stored_piece(kStoredPieceBytes);
  static thread_local std::vector<std::byte> passed_piece(kPassedPieceBytes);
  std::span<const std::byte> stored;
  while (stream->size_bytes() < end) {
    const uint64_t left_bytes = member_.stored_bytes - stream->stored_bytes();
    if (stored.empty() && left_bytes > 0) {
      const auto piece = std::span(stored_piece).first(std::min<uint64_t>(stored_piece.size(), left_bytes));
      if (auto read = read_stored(member_.stored_offset + stream->stored_bytes(), piece); !read) return read;
      stored = piece;
    }
    const uint64_t at = stream->size_bytes();
    const uint64_t next_page = AlignDown(at, kPageBytes) + kPageBytes;
    const auto room = at < offset ? std::span<std::byte>(passed_piece)
                                        .first(std::min<uint64_t>({passed_piece.size(), offset - at, next_page - at}))
                                  : into.subspan(at - offset, std::min(end, next_page) - at);
    const auto inflated = stream->Inflate(stored, room);
    if (!inflated) return std::unexpected(inflated.error());
    // The last bytes taken may stand for many that are still to be given.
    if (left_bytes == 0 && *inflated == 0) return Corrupt("its deflated bytes end early");
    if (stream->has_ended() && stream->size_bytes() < member_.size_bytes)
      return Corrupt("its deflated bytes are {} inflated ones instead of {}", stream->size_bytes(), member_.size_bytes);
    if (auto kept = Keep(*stream); !kept) return kept;
  }
  if (end == member_.size_bytes && stream->crc32() != member_.crc32)
    return Corrupt("its {} bytes do not have the sum that the archive states", member_.size_bytes);
  latest_ = *std::move(stream);
  return {};
}

}  // namespace quire
