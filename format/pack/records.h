// SPDX-License-Identifier: Apache-2.0
// The fixed-size records of the index, decoded. FORMAT.md is the authority on every byte.
// Decoding checks nothing: format/pack/index.h compares each number with what it points into.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>

#include "format/pack/geometry.h"

namespace quire {

// kReference: an entry of a directory that is listed anew which stands for a node of an older layer. Only the index
// itself sees these.
enum class NodeKind : uint8_t {
  kFile = 1,
  kSegmented = 2,
  kDirectory = 3,
  kSymlink = 4,
  kHardLink = 5,
  kReference = 6
};

struct Node {
  uint64_t mtime = 0;  // see EncodeMtime
  uint64_t size_bytes = 0;
  uint32_t attributes = 0;
  uint64_t name_offset = 0;
  uint8_t name_bytes = 0;
  NodeKind kind = NodeKind::kFile;
  uint64_t content = 0;  // by kind: extent, first segment, directory, target offset, node
  [[nodiscard]] bool is_sample() const { return kind == NodeKind::kFile || kind == NodeKind::kSegmented; }
};

struct Directory {
  NodeNumber first_child = 0;
  uint64_t child_count = 0;
  NodeNumber node = 0;
};

struct Attributes {
  uint32_t mode = 0;  // 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t nlink = 0;
  uint64_t xattr_offset = 0;
  uint32_t xattr_bytes = 0;
  auto operator<=>(const Attributes&) const = default;
};

struct Extent {
  uint64_t offset = 0;  // in the volume
  uint16_t volume = 0;
  uint32_t length_bytes = 0;
  NodeNumber node = 0;
  uint64_t sum = 0;
};

struct Segment {
  uint64_t file_offset = 0;
  uint64_t length_bytes = 0;
  ExtentNumber first_extent = 0;
  uint64_t following = 0;
};

// How the sums of a volume's extents are made.
enum class SumKind : uint16_t { kNone = 0, kCrc32 = 1, kXxh3 = 2 };
// In place of a CRC-32 that is not known, as of a part of what it is made of.
inline constexpr uint64_t kUnknownCrc32 = uint64_t{1} << 32;

// kDecoded: what coded members of another volume are decoded to.
enum class VolumeKind : uint16_t { kThisPack = 0, kFile = 1, kUrl = 2, kDecoded = 3 };

// How bytes lie in a volume: as they are, as one stream of deflate (RFC 1951) without a header, or as one frame of
// Zstandard (RFC 8878).
enum class Codec : uint8_t { kStored = 0, kDeflate = 1, kZstd = 2 };

// What tells a state of a volume from another one.
enum class IdentityKind : uint16_t { kNone = 0, kSizeAndMtime = 1, kXxh3OfBytes = 2, kXxh3OfEtag = 3 };

struct Volume {
  VolumeKind kind = VolumeKind::kThisPack;
  IdentityKind identity_kind = IdentityKind::kNone;
  SumKind sum_kind = SumKind::kXxh3;
  uint16_t base = 0;  // of kDecoded: the volume in which its members lie
  uint32_t location_bytes = 0;
  uint32_t frame_bytes = 0;  // of kDecoded: 0, or kFrameBytes
  uint64_t location_offset = 0;
  uint64_t data_begin = 0;
  uint64_t data_end = 0;
  std::array<uint64_t, 2> identity = {};

  bool operator==(const Volume&) const = default;

  // Whether it holds compressed samples of a pack, frame by frame: of the pack itself, or of one that this indexes.
  [[nodiscard]] bool is_framed() const { return kind == VolumeKind::kDecoded && frame_bytes != 0; }
  [[nodiscard]] bool is_framed_here() const { return is_framed() && base == 0; }
};

// A stream of coded bytes in the base of a decoded volume, and the bytes of that volume which it decodes to.
struct CodedMember {
  uint64_t offset = 0;  // in the decoded volume
  uint16_t volume = 0;  // the decoded one
  Codec codec = Codec::kDeflate;
  uint8_t dictionary = 0;      // of kZstd: number of its record; 0 for none
  uint64_t size_bytes = 0;     // decoded
  uint64_t stored_offset = 0;  // in the base
  uint64_t stored_bytes = 0;
  uint64_t sum = 0;  // kDeflate: CRC-32 of the decoded bytes; else XXH3-64 of the stored ones
};

// What a node of a layer below is from a layer on.
struct ReplacedNode {
  NodeNumber number = 0;
  Node node;
};

// Bytes that frames may have been compressed with; record 0 stands for none.
struct Dictionary {
  uint64_t offset = 0;  // in their section
  uint32_t bytes = 0;
  uint64_t sum = 0;  // XXH3-64
};

// One record each; the span is as long as the record.
void Encode(const Node& node, std::span<std::byte, 32> record);
void Encode(const Directory& directory, std::span<std::byte, 24> record);
void Encode(const Attributes& attributes, std::span<std::byte, 32> record);
void Encode(const Extent& extent, std::span<std::byte, 24> record);
void Encode(const Segment& segment, std::span<std::byte, 32> record);
void Encode(const Volume& volume, std::span<std::byte, 64> record);
void Encode(const CodedMember& member, std::span<std::byte, 40> record);
void Encode(const Dictionary& dictionary, std::span<std::byte, 32> record);
void Encode(const ReplacedNode& replaced, std::span<std::byte, 40> record);

// REQUIRES: `record` holds the whole record.
Node DecodeNode(std::span<const std::byte> record);
Directory DecodeDirectory(std::span<const std::byte> record);
Attributes DecodeAttributes(std::span<const std::byte> record);
Extent DecodeExtent(std::span<const std::byte> record);
Segment DecodeSegment(std::span<const std::byte> record);
Volume DecodeVolume(std::span<const std::byte> record);
CodedMember DecodeCodedMember(std::span<const std::byte> record);
Dictionary DecodeDictionary(std::span<const std::byte> record);
ReplacedNode DecodeReplacedNode(std::span<const std::byte> record);

// Nanoseconds since 1901-12-13T20:45:52Z (-2^31 s), as XFS counts: all that ext4 and XFS can store. Times outside are
// clamped.
uint64_t EncodeMtime(const timespec& time);
timespec DecodeMtime(uint64_t mtime);
bool MtimeFits(const timespec& time);

}  // namespace quire
