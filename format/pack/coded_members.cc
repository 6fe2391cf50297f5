// SPDX-License-Identifier: Apache-2.0
#include "format/pack/coded_members.h"

#include <algorithm>

#include "format/pack/inflate.h"
#include "format/pack/record_search.h"
#include "format/pack/zstd_frame.h"
#include "format/rounding.h"

namespace quire {

Result<CodedMember> CodedMembers::DecodeAt(uint64_t number) const {
  const auto record = index_.layers().GetRecord(Section::kCodedMembers, number, "coded member");
  if (!record) return std::unexpected(record.error());
  return DecodeCodedMember(*record);
}

Result<CodedMember> CodedMembers::Get(uint64_t number) const {
  auto member = DecodeAt(number);
  if (!member) return member;
  const auto volume = index_.GetVolume(member->volume);
  if (!volume) return std::unexpected(volume.error());
  auto base = index_.GetVolume(volume->base);
  if (!base) return std::unexpected(base.error());
  // Coded bytes of a pack lie in front of the pages of their generation, or of its index. Where a pack that is merged
  // ends is told by none of the volumes.
  if (volume->is_framed()) {
    base->data_end = volume->base == 0 ? index_.superblock().index_offset : kMaxVolumeBytes;
    base->data_begin = kDataBegin;
  }
  const auto lies_in = [](const Volume& in, uint64_t offset, uint64_t bytes) {
    return bytes > 0 && offset >= in.data_begin && offset <= in.data_end && bytes <= in.data_end - offset;
  };
  if (volume->kind != VolumeKind::kDecoded || !lies_in(*volume, member->offset, member->size_bytes))
    return Corrupt("coded member {}: {} bytes at {} lie outside of volume {}", number, member->size_bytes,
                   member->offset, member->volume);
  if (!lies_in(*base, member->stored_offset, member->stored_bytes))
    return Corrupt("coded member {}: {} bytes at {} lie outside of volume {}", number, member->stored_bytes,
                   member->stored_offset, volume->base);
  if (auto allowed = CheckCodec(number, *member, volume->is_framed()); !allowed) return Propagate(std::move(allowed));
  const uint64_t most_bytes = volume->is_framed() ? kFrameBytes : kPageBytes;
  const bool has_own_pages = member->size_bytes > most_bytes;  // of frames none: CheckCodec
  if (has_own_pages ? member->offset % most_bytes != 0 : member->offset % most_bytes + member->size_bytes > most_bytes)
    return Corrupt("coded member {}: {} bytes at {} cross a {} boundary", number, member->size_bytes, member->offset,
                   volume->is_framed() ? "frame's" : "page");
  if (number == 0) return member;
  const auto before = DecodeAt(number - 1);
  if (!before) return before;
  if (before->volume > member->volume ||
      (before->volume == member->volume && (before->offset + before->size_bytes > member->offset ||
                                            before->stored_offset + before->stored_bytes > member->stored_offset)))
    return Corrupt("coded member {}: it begins before the one before it ends", number);
  return member;
}

Result<void> CodedMembers::CheckCodec(uint64_t number, const CodedMember& member, bool is_framed) const {
  const bool is_known = is_framed ? member.codec == Codec::kStored || member.codec == Codec::kZstd
                                  : member.codec == Codec::kDeflate && member.dictionary == 0;
  if (!is_known)
    return Unsupported("coded member {}: codec {}, dictionary {}; use a newer quire", number,
                       static_cast<unsigned>(member.codec), member.dictionary);
  if (const auto fault = is_framed ? FaultOfFrame(member) : FaultOfDeflated(member.size_bytes, member.stored_bytes))
    return Corrupt("coded member {}: {}", number, *fault);
  if (member.dictionary >= std::max<uint64_t>(index_.dictionary_count(), 1))
    return Corrupt("coded member {}: dictionary {}, there are {}", number, member.dictionary,
                   index_.dictionary_count());
  return {};
}

Result<bool> CodedMembers::IsFromVolume(uint64_t number, unsigned least) const {
  const auto member = DecodeAt(number);
  if (!member) return std::unexpected(member.error());
  return member->volume >= least;
}

Result<std::pair<uint64_t, uint64_t>> CodedMembers::FindAllOf(uint16_t volume) const {
  const auto find = [&](unsigned least) {
    return PartitionPoint(count(), [&](uint64_t number) { return IsFromVolume(number, least); });
  };
  const auto first = find(volume);
  if (!first) return std::unexpected(first.error());
  const auto end = find(volume + 1U);
  if (!end) return std::unexpected(end.error());
  return std::pair(*first, *end);
}

std::pair<uint64_t, uint64_t> CodedMembers::FindAllAround(uint16_t volume) const {
  const auto find = [&](unsigned least) {
    return PartitionPointAroundDamage(
        0, count(), [&](uint64_t number) { return IsFromVolume(number, least); },
        [this](uint64_t number) { return BehindBlock(number); });
  };
  const uint64_t first = find(volume);
  return {first, std::max(first, find(volume + 1U))};
}

uint64_t CodedMembers::FindAround(uint64_t first, uint64_t end, uint64_t offset) const {
  return PartitionPointAroundDamage(
      first, end,
      [&](uint64_t number) -> Result<bool> {
        const auto member = DecodeAt(number);
        if (!member) return std::unexpected(member.error());
        return member->offset + member->size_bytes > offset;
      },
      [this](uint64_t number) { return BehindBlock(number); });
}

uint64_t CodedMembers::PassBad(uint64_t number) const { return DecodeAt(number) ? number + 1 : BehindBlock(number); }

// By the first block that the record lies in: where that is whole, the next one that is tried lies in the damaged one.
uint64_t CodedMembers::BehindBlock(uint64_t number) const {
  constexpr uint64_t kBytes = kRecordBytes[static_cast<size_t>(Section::kCodedMembers)];
  const IndexLayer& layer = index_.layers().Find(Section::kCodedMembers, number);
  const uint64_t section = layer.superblock.section(Section::kCodedMembers).offset;
  const uint64_t end = (layer.OffsetOf(Section::kCodedMembers, number) / kBlockBytes + 1) * kBlockBytes;
  const uint64_t first = layer.first[static_cast<size_t>(Section::kCodedMembers)];
  return std::min(first + CeilDiv(end - section, kBytes), layer.end(Section::kCodedMembers));
}

}  // namespace quire
