// SPDX-License-Identifier: Apache-2.0
#include "format/pack/records.h"

#include <algorithm>
#include <limits>

#include "format/coding.h"

namespace quire {
namespace {

constexpr int64_t kMtimeEpochS = -(int64_t{1} << 31);
constexpr uint64_t kNsPerS = 1'000'000'000;
constexpr int64_t kMtimeLastS = kMtimeEpochS + static_cast<int64_t>(std::numeric_limits<uint64_t>::max() / kNsPerS) - 1;

}  // namespace

void Encode(const Node& node, std::span<std::byte, 32> record) {
  StoreUint<8>(record, 0, node.mtime);
  StoreUint<8>(record, 8, node.size_bytes);
  StoreUint<4>(record, 16, node.attributes);
  StoreUint<5>(record, 20, node.name_offset);
  StoreUint<1>(record, 25, node.name_bytes);
  StoreUint<1>(record, 26, static_cast<uint8_t>(node.kind));
  StoreUint<5>(record, 27, node.content);
}

Node DecodeNode(std::span<const std::byte> record) {
  return {.mtime = LoadUint<8>(record, 0),
          .size_bytes = LoadUint<8>(record, 8),
          .attributes = static_cast<uint32_t>(LoadUint<4>(record, 16)),
          .name_offset = LoadUint<5>(record, 20),
          .name_bytes = static_cast<uint8_t>(LoadUint<1>(record, 25)),
          .kind = static_cast<NodeKind>(LoadUint<1>(record, 26)),
          .content = LoadUint<5>(record, 27)};
}

void Encode(const Directory& directory, std::span<std::byte, 24> record) {
  StoreUint<8>(record, 0, directory.first_child);
  StoreUint<8>(record, 8, directory.child_count);
  StoreUint<8>(record, 16, directory.node);
}

Directory DecodeDirectory(std::span<const std::byte> record) {
  return {
      .first_child = LoadUint<8>(record, 0), .child_count = LoadUint<8>(record, 8), .node = LoadUint<8>(record, 16)};
}

void Encode(const Attributes& attributes, std::span<std::byte, 32> record) {
  StoreUint<4>(record, 0, attributes.mode);
  StoreUint<4>(record, 4, attributes.uid);
  StoreUint<4>(record, 8, attributes.gid);
  StoreUint<4>(record, 12, attributes.nlink);
  StoreUint<8>(record, 16, attributes.xattr_offset);
  StoreUint<4>(record, 24, attributes.xattr_bytes);
  StoreUint<4>(record, 28, 0);
}

Attributes DecodeAttributes(std::span<const std::byte> record) {
  return {.mode = static_cast<uint32_t>(LoadUint<4>(record, 0)),
          .uid = static_cast<uint32_t>(LoadUint<4>(record, 4)),
          .gid = static_cast<uint32_t>(LoadUint<4>(record, 8)),
          .nlink = static_cast<uint32_t>(LoadUint<4>(record, 12)),
          .xattr_offset = LoadUint<8>(record, 16),
          .xattr_bytes = static_cast<uint32_t>(LoadUint<4>(record, 24))};
}

void Encode(const Extent& extent, std::span<std::byte, 24> record) {
  StoreUint<6>(record, 0, extent.offset);
  StoreUint<2>(record, 6, extent.volume);
  StoreUint<3>(record, 8, extent.length_bytes);
  StoreUint<5>(record, 11, extent.node);
  StoreUint<8>(record, 16, extent.sum);
}

Extent DecodeExtent(std::span<const std::byte> record) {
  return {.offset = LoadUint<6>(record, 0),
          .volume = static_cast<uint16_t>(LoadUint<2>(record, 6)),
          .length_bytes = static_cast<uint32_t>(LoadUint<3>(record, 8)),
          .node = LoadUint<5>(record, 11),
          .sum = LoadUint<8>(record, 16)};
}

void Encode(const Segment& segment, std::span<std::byte, 32> record) {
  StoreUint<8>(record, 0, segment.file_offset);
  StoreUint<8>(record, 8, segment.length_bytes);
  StoreUint<8>(record, 16, segment.first_extent);
  StoreUint<8>(record, 24, segment.following);
}

Segment DecodeSegment(std::span<const std::byte> record) {
  return {.file_offset = LoadUint<8>(record, 0),
          .length_bytes = LoadUint<8>(record, 8),
          .first_extent = LoadUint<8>(record, 16),
          .following = LoadUint<8>(record, 24)};
}

void Encode(const Volume& volume, std::span<std::byte, 64> record) {
  StoreUint<2>(record, 0, static_cast<uint16_t>(volume.kind));
  StoreUint<2>(record, 2, static_cast<uint16_t>(volume.identity_kind));
  StoreUint<2>(record, 4, static_cast<uint16_t>(volume.sum_kind));
  StoreUint<2>(record, 6, volume.base);
  StoreUint<4>(record, 8, volume.location_bytes);
  StoreUint<4>(record, 12, volume.frame_bytes);
  StoreUint<8>(record, 16, volume.location_offset);
  StoreUint<8>(record, 24, volume.data_begin);
  StoreUint<8>(record, 32, volume.data_end);
  StoreUint<8>(record, 40, volume.identity[0]);
  StoreUint<8>(record, 48, volume.identity[1]);
  StoreUint<8>(record, 56, 0);
}

Volume DecodeVolume(std::span<const std::byte> record) {
  return {.kind = static_cast<VolumeKind>(LoadUint<2>(record, 0)),
          .identity_kind = static_cast<IdentityKind>(LoadUint<2>(record, 2)),
          .sum_kind = static_cast<SumKind>(LoadUint<2>(record, 4)),
          .base = static_cast<uint16_t>(LoadUint<2>(record, 6)),
          .location_bytes = static_cast<uint32_t>(LoadUint<4>(record, 8)),
          .frame_bytes = static_cast<uint32_t>(LoadUint<4>(record, 12)),
          .location_offset = LoadUint<8>(record, 16),
          .data_begin = LoadUint<8>(record, 24),
          .data_end = LoadUint<8>(record, 32),
          .identity = {LoadUint<8>(record, 40), LoadUint<8>(record, 48)}};
}

void Encode(const CodedMember& member, std::span<std::byte, 40> record) {
  StoreUint<6>(record, 0, member.offset);
  StoreUint<2>(record, 6, member.volume);
  StoreUint<6>(record, 8, member.stored_offset);
  StoreUint<1>(record, 14, static_cast<uint8_t>(member.codec));
  StoreUint<1>(record, 15, member.dictionary);
  StoreUint<8>(record, 16, member.size_bytes);
  StoreUint<8>(record, 24, member.stored_bytes);
  StoreUint<8>(record, 32, member.sum);
}

CodedMember DecodeCodedMember(std::span<const std::byte> record) {
  return {.offset = LoadUint<6>(record, 0),
          .volume = static_cast<uint16_t>(LoadUint<2>(record, 6)),
          .codec = static_cast<Codec>(LoadUint<1>(record, 14)),
          .dictionary = static_cast<uint8_t>(LoadUint<1>(record, 15)),
          .size_bytes = LoadUint<8>(record, 16),
          .stored_offset = LoadUint<6>(record, 8),
          .stored_bytes = LoadUint<8>(record, 24),
          .sum = LoadUint<8>(record, 32)};
}

void Encode(const Dictionary& dictionary, std::span<std::byte, 32> record) {
  StoreUint<8>(record, 0, dictionary.offset);
  StoreUint<4>(record, 8, dictionary.bytes);
  StoreUint<4>(record, 12, 0);
  StoreUint<8>(record, 16, dictionary.sum);
  StoreUint<8>(record, 24, 0);
}

Dictionary DecodeDictionary(std::span<const std::byte> record) {
  return {.offset = LoadUint<8>(record, 0),
          .bytes = static_cast<uint32_t>(LoadUint<4>(record, 8)),
          .sum = LoadUint<8>(record, 16)};
}

void Encode(const ReplacedNode& replaced, std::span<std::byte, 40> record) {
  StoreUint<8>(record, 0, replaced.number);
  Encode(replaced.node, record.subspan<8, 32>());
}

ReplacedNode DecodeReplacedNode(std::span<const std::byte> record) {
  return {.number = LoadUint<8>(record, 0), .node = DecodeNode(record.subspan(8))};
}

bool MtimeFits(const timespec& time) { return time.tv_sec >= kMtimeEpochS && time.tv_sec <= kMtimeLastS; }

uint64_t EncodeMtime(const timespec& time) {
  const int64_t seconds = std::clamp<int64_t>(time.tv_sec, kMtimeEpochS, kMtimeLastS);
  return static_cast<uint64_t>(seconds - kMtimeEpochS) * kNsPerS + static_cast<uint64_t>(time.tv_nsec);
}

timespec DecodeMtime(uint64_t mtime) {
  return {.tv_sec = static_cast<time_t>(static_cast<int64_t>(mtime / kNsPerS) + kMtimeEpochS),
          .tv_nsec = static_cast<long>(mtime % kNsPerS)};
}

}  // namespace quire
