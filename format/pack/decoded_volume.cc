// SPDX-License-Identifier: Apache-2.0
#include "format/pack/decoded_volume.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/pack/inflate.h"
#include "format/pack/zstd_frame.h"
#include "format/per_thread.h"

namespace quire {
namespace {

// Members whose coded bytes are so near, and so many, are read together: a local header and a name lie between those
// that follow each other, and a disk reads 64 KiB in the time of one more request.
constexpr uint64_t kNearBytes = 64 << 10;
// That one read passes over: each may cost a read of a block of the index.
constexpr unsigned kMostBadMembers = 64;
constexpr uint64_t kTogetherBytes = kPageBytes;

uint64_t StoredEnd(const CodedMember& member) { return member.stored_offset + member.stored_bytes; }

// Bytes that do not have the sum of `member`, in the place of what cannot be decoded.
void FillWithWrong(const CodedMember& member, std::span<std::byte> whole) {
  for (const std::byte wrong : {std::byte{0}, std::byte{1}}) {
    std::ranges::fill(whole, wrong);
    if (Crc32(whole) != static_cast<uint32_t>(member.sum)) return;
  }
}

// The same of a frame, whose extent's sum is not known here: bytes that no sample has, but by a chance of 2^-64.
void FillWithNoise(const CodedMember& member, std::span<std::byte> into) {
  uint64_t state = member.sum ^ member.stored_offset ^ member.offset;
  uint64_t mixed = 0;
  for (size_t at = 0; at < into.size(); ++at) {
    if (at % 8 == 0) {  // splitmix64
      state += 0x9e3779b97f4a7c15;
      mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      mixed ^= mixed >> 31;
    }
    into[at] = static_cast<std::byte>(mixed >> (8 * (at % 8)));
  }
}

// Frames are decoded into the memory of who reads, or into this where only a part of one is wanted: 256 KiB a thread.
std::span<std::byte> FrameBuffer() {
  static PerThread<FixedBuffer<kFrameBytes>> buffers;
  return buffers.Get().span();
}

void Decode(const CodedMember& member, std::span<const std::byte> stored, uint64_t offset, std::span<std::byte> into) {
  static PerThread<std::vector<std::byte>> buffers;
  auto& buffer = buffers.Get();
  std::span<std::byte> whole = into;
  if (into.size() != member.size_bytes) {
    buffer.resize(member.size_bytes);
    whole = buffer;
  }
  if (!InflateWhole(stored, whole)) FillWithWrong(member, whole);
  if (whole.data() != into.data()) std::ranges::copy(whole.subspan(offset, into.size()), into.begin());
}

}  // namespace

DecodedVolume::DecodedVolume(uint16_t volume, uint64_t first, uint64_t end, GetMember get_member,
                             ReadStored read_stored, LongMembers& long_members, FrameNeeds frames)
    : volume_(volume),
      first_(first),
      end_(end),
      get_member_(std::move(get_member)),
      read_stored_([this, read = std::move(read_stored)](uint64_t offset, std::span<std::byte> into) -> Result<void> {
        return is_cancelled_ ? SystemError(ECANCELED, "decoding") : read(offset, into);
      }),
      long_members_(long_members),
      frames_(std::move(frames)) {}

Result<CodedMember> DecodedVolume::Get(uint64_t number) const {
  auto member = get_member_(number);
  if (member && member->volume != volume_)
    return Corrupt("coded member {}: is of volume {}, and stands among those of {}", number, member->volume, volume_);
  return member;
}

// The first member that ends behind `offset`.
Result<uint64_t> DecodedVolume::FindFirst(uint64_t offset) const {
  if (frames_.find_around) return frames_.find_around(first_, end_, offset);
  uint64_t low = first_;
  uint64_t high = end_;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const auto member = Get(middle);
    if (!member) return std::unexpected(member.error());
    if (member->offset + member->size_bytes > offset)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

Result<void> DecodedVolume::Read(uint64_t offset, std::span<std::byte> into) {
  const auto first = FindFirst(offset);
  if (!first) return std::unexpected(first.error());
  std::vector<Part> together;
  const auto read_together = [&]() -> Result<void> {
    auto read = together.empty() ? Result<void>() : ReadShort(together);
    together.clear();
    return read;
  };
  uint64_t done_bytes = 0;
  uint64_t end_before = 0;  // of the last member
  unsigned bad_members = 0;
  bool is_behind_bad = false;  // what lies in front of the next member may be of bad ones
  const auto fill_up_to = [&](uint64_t end) {
    const auto gap = into.subspan(done_bytes, end - done_bytes);
    if (is_behind_bad)
      FillWithNoise({.offset = offset + done_bytes}, gap);
    else
      std::ranges::fill(gap, std::byte{0});
    is_behind_bad = false;
  };
  for (uint64_t number = *first; number < end_; ++number) {
    auto member = Get(number);
    if (member && member->offset < offset + into.size() &&
        (member->offset < end_before || member->offset + member->size_bytes <= offset))
      member = Corrupt("coded member {}: it lies before the one before it", number);
    if (!member) {
      // Its bytes are found by the sums of their extents, and no others suffer.
      if (!frames_.pass_bad || member.error().code == ErrorCode::kSystem || ++bad_members > kMostBadMembers)
        return std::unexpected(member.error());
      is_behind_bad = true;
      number = frames_.pass_bad(number) - 1;
      continue;
    }
    if (member->offset >= offset + into.size()) break;
    const uint64_t member_end = member->offset + member->size_bytes;
    end_before = member_end;
    const uint64_t begin = std::max(member->offset, offset) - offset;
    const uint64_t end = std::min(member_end - offset, into.size());
    fill_up_to(begin);
    done_bytes = end;
    const Part part{.member = *member,
                    .number = number,
                    .offset = offset + begin - member->offset,
                    .into = into.subspan(begin, end - begin)};
    if (member->size_bytes > kPageBytes) {
      if (auto read = ReadLong(part); !read) return read;
      continue;
    }
    const bool is_near = !together.empty() && member->stored_offset - StoredEnd(together.back().member) <= kNearBytes &&
                         StoredEnd(*member) - together.front().member.stored_offset <= kTogetherBytes;
    if (!is_near)
      if (auto read = read_together(); !read) return read;
    together.push_back(part);
  }
  fill_up_to(into.size());
  return read_together();
}

Result<void> DecodedVolume::ReadShort(std::span<const Part> parts) const {
  static PerThread<std::vector<std::byte>> buffers;
  auto& stored = buffers.Get();
  const uint64_t begin = parts.front().member.stored_offset;
  stored.resize(StoredEnd(parts.back().member) - begin);
  if (auto read = read_stored_(begin, stored); !read) return read;
  for (const Part& part : parts) {
    const auto own =
        std::span<const std::byte>(stored).subspan(part.member.stored_offset - begin, part.member.stored_bytes);
    if (part.member.codec == Codec::kDeflate)
      Decode(part.member, own, part.offset, part.into);
    else if (auto read = ReadFrame(part, own); !read)
      return read;
  }
  return {};
}

// Nothing is decoded that does not have its sum.
Result<void> DecodedVolume::ReadFrame(const Part& part, std::span<const std::byte> stored) const {
  const CodedMember& member = part.member;
  if (Xxh3(stored) != member.sum) {
    if (frames_.distrust) frames_.distrust(member.stored_offset, member.stored_bytes);
    static PerThread<std::vector<std::byte>> buffers;
    auto& again = buffers.Get();
    again.resize(member.stored_bytes);
    if (auto read = read_stored_(member.stored_offset, again); !read) return read;
    stored = again;
  }
  const auto use = [&](std::span<const std::byte> whole) -> Result<void> {
    std::ranges::copy(whole.subspan(part.offset, part.into.size()), part.into.begin());
    return {};
  };
  const auto damaged = [&]() -> Result<void> {
    FillWithNoise(member, part.into);
    return {};
  };
  if (Xxh3(stored) != member.sum) return damaged();
  if (member.codec == Codec::kStored) return use(stored);
  const FrameDictionary* dictionary = nullptr;
  if (member.dictionary > 0) {
    const Result<const FrameDictionary*> got = frames_.dictionaries == nullptr
                                                   ? Corrupt("there are no dictionaries")
                                                   : frames_.dictionaries->Get(member.dictionary);
    if (!got && got.error().code == ErrorCode::kSystem) return std::unexpected(got.error());
    if (!got) return damaged();
    dictionary = *got;
  }
  if (part.into.size() == member.size_bytes)
    return DecodeFrame(stored, part.into, dictionary) ? Result<void>() : damaged();
  const auto whole = FrameBuffer().first(member.size_bytes);
  return DecodeFrame(stored, whole, dictionary) ? use(whole) : damaged();
}

Result<void> DecodedVolume::ReadLong(const Part& part) {
  auto read = long_members_.Get(volume_, part.number, part.member)->Read(part.offset, part.into, read_stored_);
  long_members_.Trim();
  return read;
}

Result<std::optional<CodedMember>> DecodedVolume::FindMember(uint64_t offset) const {
  const auto number = FindFirst(offset);
  if (!number) return std::unexpected(number.error());
  if (*number == end_) return std::nullopt;
  auto member = Get(*number);
  if (!member) return Propagate(std::move(member));
  if (member->offset > offset) return std::nullopt;
  return *member;
}

std::optional<uint64_t> DecodedVolume::FindLong(uint64_t offset) const {
  if (frames_.dictionaries != nullptr) return std::nullopt;  // frames are short
  const auto number = FindFirst(offset);
  if (!number || *number == end_) return std::nullopt;
  const auto member = Get(*number);
  const bool is_long = member && member->size_bytes > kPageBytes && member->offset <= offset;
  return is_long ? std::optional(*number) : std::nullopt;
}

}  // namespace quire
