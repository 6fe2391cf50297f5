// SPDX-License-Identifier: Apache-2.0
#include "format/pack/decoded_volume.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/pack/inflate.h"

namespace quire {
namespace {

// Members whose coded bytes are so near, and so many, are read together: a local header and a name lie between those
// that follow each other, and a disk reads 64 KiB in the time of one more request.
constexpr uint64_t kNearBytes = 64 << 10;
constexpr uint64_t kTogetherBytes = kPageBytes;

uint64_t StoredEnd(const CodedMember& member) { return member.stored_offset + member.stored_bytes; }

// Bytes that do not have the sum of `member`, in the place of what cannot be decoded.
void FillWithWrong(const CodedMember& member, std::span<std::byte> whole) {
  for (const std::byte wrong : {std::byte{0}, std::byte{1}}) {
    std::ranges::fill(whole, wrong);
    if (Crc32(whole) != member.crc32) return;
  }
}

void Decode(const CodedMember& member, std::span<const std::byte> stored, uint64_t offset, std::span<std::byte> into) {
  static thread_local std::vector<std::byte> buffer;
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
                             ReadStored read_stored, LongMembers& long_members)
    : volume_(volume),
      first_(first),
      end_(end),
      get_member_(std::move(get_member)),
      read_stored_([this, read = std::move(read_stored)](uint64_t offset, std::span<std::byte> into) -> Result<void> {
        return is_cancelled_ ? SystemError(ECANCELED, "decoding") : read(offset, into);
      }),
      long_members_(long_members) {}

Result<CodedMember> DecodedVolume::Get(uint64_t number) const {
  auto member = get_member_(number);
  if (member && member->volume != volume_)
    return Corrupt("coded member {}: is of volume {}, and stands among those of {}", number, member->volume, volume_);
  return member;
}

// The first member that ends behind `offset`.
Result<uint64_t> DecodedVolume::FindFirst(uint64_t offset) const {
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
  for (uint64_t number = *first; number < end_; ++number) {
    const auto member = Get(number);
    if (!member) return std::unexpected(member.error());
    if (member->offset >= offset + into.size()) break;
    const uint64_t member_end = member->offset + member->size_bytes;
    if (member->offset < end_before || member_end <= offset)
      return Corrupt("coded member {}: it lies before the one before it", number);
    end_before = member_end;
    const uint64_t begin = std::max(member->offset, offset) - offset;
    const uint64_t end = std::min(member_end - offset, into.size());
    std::ranges::fill(into.subspan(done_bytes, begin - done_bytes), std::byte{0});
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
  std::ranges::fill(into.subspan(done_bytes), std::byte{0});
  return read_together();
}

Result<void> DecodedVolume::ReadShort(std::span<const Part> parts) const {
  static thread_local std::vector<std::byte> stored;
  const uint64_t begin = parts.front().member.stored_offset;
  stored.resize(StoredEnd(parts.back().member) - begin);
  if (auto read = read_stored_(begin, stored); !read) return read;
  for (const Part& part : parts)
    Decode(part.member,
           std::span<const std::byte>(stored).subspan(part.member.stored_offset - begin, part.member.stored_bytes),
           part.offset, part.into);
  return {};
}

Result<void> DecodedVolume::ReadLong(const Part& part) {
  auto read = long_members_.Get(volume_, part.number, part.member)->Read(part.offset, part.into, read_stored_);
  long_members_.Trim();
  return read;
}

std::optional<uint64_t> DecodedVolume::FindLong(uint64_t offset) const {
  const auto number = FindFirst(offset);
  if (!number || *number == end_) return std::nullopt;
  const auto member = Get(*number);
  const bool is_long = member && member->size_bytes > kPageBytes && member->offset <= offset;
  return is_long ? std::optional(*number) : std::nullopt;
}

}  // namespace quire
