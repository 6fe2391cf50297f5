// SPDX-License-Identifier: Apache-2.0
#include "format/pack/decoded_volume.h"

#include <algorithm>
#include <vector>

#include "format/pack/geometry.h"
#include "format/pack/inflate.h"

namespace quire {
namespace {

// Members whose coded bytes are so near, and so many, are read together: a local header and a name lie between those
// that follow each other, and a disk reads 64 KiB in the time of one more request.
constexpr uint64_t kNearBytes = 64 << 10;
constexpr uint64_t kTogetherBytes = kPageBytes;

uint64_t StoredEnd(const CodedMember& member) { return member.stored_offset + member.stored_bytes; }

void Decode(const CodedMember& member, std::span<const std::byte> stored, uint64_t offset, std::span<std::byte> into) {
  bool is_right = true;
  if (into.size() == member.size_bytes) {
    is_right = InflateWhole(stored, into);
  } else {
    static thread_local std::vector<std::byte> whole;
    whole.resize(member.size_bytes);
    is_right = InflateWhole(stored, whole);
    if (is_right) std::ranges::copy(std::span(whole).subspan(offset, into.size()), into.begin());
  }
  if (!is_right) std::ranges::fill(into, std::byte{0});
}

}  // namespace

DecodedVolume::DecodedVolume(uint16_t volume, uint64_t first, uint64_t end, GetMember get_member,
                             ReadStored read_stored)
    : volume_(volume),
      first_(first),
      end_(end),
      get_member_(std::move(get_member)),
      read_stored_(std::move(read_stored)) {}

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
    (member->offset + member->size_bytes > offset ? high : low) =
        member->offset + member->size_bytes > offset ? middle : middle + 1;
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
  std::shared_ptr<LongMember> member;
  {
    const MutexLock lock(mutex_);
    const auto found = std::ranges::find(long_members_, part.number, [](const auto& entry) { return entry.first; });
    if (found != long_members_.end())
      long_members_.splice(long_members_.begin(), long_members_, found);
    else
      long_members_.emplace_front(part.number, std::make_shared<LongMember>(part.member));
    if (long_members_.size() > kMostLongMembers) long_members_.pop_back();
    member = long_members_.front().second;
  }
  return member->Read(part.offset, part.into, read_stored_);
}

}  // namespace quire
