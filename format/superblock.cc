#include "format/superblock.h"

#include <algorithm>

#include "format/block_tree.h"
#include "format/checksum.h"
#include "format/coding.h"
#include "format/geometry.h"

namespace quire {
namespace {

constexpr std::array<std::byte, 8> kMagic = {std::byte{0x89}, std::byte{'Q'}, std::byte{'U'},  std::byte{'I'},
                                             std::byte{'R'},  std::byte{'E'}, std::byte{0x0a}, std::byte{0x1a}};
constexpr size_t kSectionsAt = 128;
constexpr size_t kSumAt = kSuperblockBytes - 8;

// The u64 fields in file order, from byte 16 to byte 119.
constexpr std::array<uint64_t Superblock::*, 13> kFields = {
    &Superblock::generation, &Superblock::index_offset, &Superblock::body_bytes,   &Superblock::index_bytes,
    &Superblock::root_sum,   &Superblock::pack_bytes,   &Superblock::samples,      &Superblock::symlinks,
    &Superblock::hard_links, &Superblock::left_out,     &Superblock::sample_bytes, &Superblock::stored_bytes,
    &Superblock::order_seed};
constexpr size_t kFieldsAt = 16;

Result<void> CheckSections(const Superblock& s) {
  static constexpr std::array<const char*, kSectionCount> kNames = {
      "volumes", "attributes", "directories", "nodes", "extents", "segments", "page sums", "names", "xattrs"};
  uint64_t end = 0;
  for (size_t i = 0; i < kSectionCount; ++i) {
    const auto& [offset, bytes] = s.sections[i];
    if (offset % kSectionAlign != 0) return Corrupt("superblock: section {} at {}, not aligned", kNames[i], offset);
    if (offset < end || offset > s.body_bytes || bytes > s.body_bytes - offset)
      return Corrupt("superblock: section {} lies outside of its place in the index", kNames[i]);
    if (bytes % kRecordBytes[i] != 0 || bytes / kRecordBytes[i] > kMaxRecords)
      return Corrupt("superblock: section {} has an impossible length {}", kNames[i], bytes);
    end = offset + bytes;
  }
  for (const Section s_required : {Section::kVolumes, Section::kAttributes, Section::kDirectories, Section::kNodes})
    if (s.records(s_required) == 0)
      return Corrupt("superblock: section {} is empty", kNames[static_cast<size_t>(s_required)]);
  return {};
}

}  // namespace

void EncodeSuperblock(const Superblock& superblock, std::span<std::byte, kSuperblockBytes> slot) {
  std::ranges::fill(slot, std::byte{0});
  std::ranges::copy(kMagic, slot.begin());
  StoreUint<2>(slot, 8, kFormatMajor);
  StoreUint<2>(slot, 10, superblock.minor);
  for (size_t i = 0; i < kFields.size(); ++i) StoreUint<8>(slot, kFieldsAt + 8 * i, superblock.*kFields[i]);
  StoreUint<4>(slot, 120, static_cast<uint32_t>(superblock.order));
  for (size_t i = 0; i < kSectionCount; ++i) {
    StoreUint<8>(slot, kSectionsAt + 16 * i, superblock.sections[i].offset);
    StoreUint<8>(slot, kSectionsAt + 16 * i + 8, superblock.sections[i].bytes);
  }
  StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
}

Result<Superblock> DecodeSuperblock(std::span<const std::byte> slot) {
  if (slot.size() < kMagic.size() || !std::ranges::equal(slot.first(kMagic.size()), kMagic))
    return Corrupt("superblock: this is not a Quire pack");
  if (slot.size() < kSuperblockBytes) return Corrupt("superblock: truncated to {} bytes", slot.size());
  slot = slot.first(kSuperblockBytes);
  // The version before the sum: another major version may have moved the sum.
  if (const auto major = LoadUint<2>(slot, 8); major != kFormatMajor)
    return Unsupported("superblock: format {}.{}, this release reads {}.x; use another release of quire", major,
                       LoadUint<2>(slot, 10), kFormatMajor);
  if (const auto features = LoadUint<4>(slot, 12); features != 0)
    return Unsupported("superblock: required features {:#x}, this release knows none; use a newer quire", features);
  if (LoadUint<8>(slot, kSumAt) != Xxh3(slot.first(kSumAt))) return Corrupt("superblock: checksum mismatch");
  // A good checksum proves that the bytes arrived, not that their writer was sane.
  Superblock s;
  s.minor = LoadUint<2>(slot, 10);
  for (size_t i = 0; i < kFields.size(); ++i) s.*kFields[i] = LoadUint<8>(slot, kFieldsAt + 8 * i);
  s.order = static_cast<PackOrder>(LoadUint<4>(slot, 120));
  for (size_t i = 0; i < kSectionCount; ++i)
    s.sections[i] = {LoadUint<8>(slot, kSectionsAt + 16 * i), LoadUint<8>(slot, kSectionsAt + 16 * i + 8)};
  if (s.generation == 0) return Corrupt("superblock: generation 0");
  if (s.pack_bytes > kMaxVolumeBytes) return Corrupt("superblock: pack of {} bytes", s.pack_bytes);
  if (s.index_offset < kDataBegin || s.index_offset % kIndexAlign != 0)
    return Corrupt("superblock: index at {}, not on a 4 KiB boundary behind the superblocks", s.index_offset);
  if (s.index_offset > s.pack_bytes || s.index_bytes != s.pack_bytes - s.index_offset)  // no overflow: subtract
    return Corrupt("superblock: the index does not end with the pack");
  if (s.body_bytes == 0 || s.body_bytes > s.index_bytes || BlockTreeGeometry(s.body_bytes).total_bytes != s.index_bytes)
    return Corrupt("superblock: body of {} bytes in an index of {}", s.body_bytes, s.index_bytes);
  if (auto sections = CheckSections(s); !sections) return Propagate(std::move(sections));
  return s;
}

}  // namespace quire
