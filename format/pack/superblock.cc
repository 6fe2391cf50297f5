// SPDX-License-Identifier: Apache-2.0
#include "format/pack/superblock.h"

#include <algorithm>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/block_tree.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr std::array<std::byte, 8> kMagic = {std::byte{0x89}, std::byte{'Q'}, std::byte{'U'},  std::byte{'I'},
                                             std::byte{'R'},  std::byte{'E'}, std::byte{0x0a}, std::byte{0x1a}};
constexpr size_t kMajorAt = 8;
constexpr size_t kMinorAt = 10;
constexpr size_t kFeaturesAt = 12;
constexpr size_t kAppendFeaturesAt = 16;
constexpr size_t kSectionCountAt = 20;
constexpr size_t kOrderAt = 128;
constexpr size_t kCommitTimeAt = 136;
constexpr size_t kDirectoriesAt = 144;
constexpr size_t kTableAt = 192;
constexpr size_t kTableRecordBytes = 32;
constexpr size_t kSumAt = kSuperblockBytes - 8;
static_assert(kTableAt + kMaxSections * kTableRecordBytes <= kSumAt);
constexpr size_t kSectorBytes = 512;  // what the weakest disk writes whole or not at all
constexpr size_t kMaxLayerSections = (kLayerBytes - kTableAt) / kTableRecordBytes;
static_assert(kSectionCount <= kMaxLayerSections);

// The u64 fields in file order, from byte 24 to byte 127.
constexpr std::array<uint64_t Superblock::*, 13> kFields = {
    &Superblock::generation, &Superblock::index_offset, &Superblock::body_bytes,   &Superblock::index_bytes,
    &Superblock::root_sum,   &Superblock::pack_bytes,   &Superblock::samples,      &Superblock::symlinks,
    &Superblock::hard_links, &Superblock::left_out,     &Superblock::sample_bytes, &Superblock::stored_bytes,
    &Superblock::order_seed};
constexpr size_t kFieldsAt = 24;
static_assert(kFieldsAt + kFields.size() * 8 == kOrderAt);

constexpr std::array<const char*, kSectionCount> kSectionNames = {
    "volumes",       "attributes",   "directories",      "nodes",  "extents",       "segments", "names", "xattrs",
    "coded members", "dictionaries", "dictionary bytes", "layers", "replaced nodes"};
constexpr uint32_t kRequired = 1;  // the only flag of a section that this release knows

// A record of the section table.
struct TableEntry {
  uint32_t id;
  uint32_t flags;
  uint32_t record_bytes;
  SectionRange range;
};

TableEntry DecodeTableEntry(std::span<const std::byte> slot, size_t i) {
  const auto record = slot.subspan(kTableAt + i * kTableRecordBytes, kTableRecordBytes);
  return {.id = static_cast<uint32_t>(LoadUint<4>(record, 0)),
          .flags = static_cast<uint32_t>(LoadUint<4>(record, 4)),
          .record_bytes = static_cast<uint32_t>(LoadUint<4>(record, 8)),
          .range = {.offset = LoadUint<8>(record, 16), .bytes = LoadUint<8>(record, 24)}};
}

void EncodeTableEntry(const TableEntry& entry, std::span<std::byte> slot, size_t i) {
  const auto record = slot.subspan(kTableAt + i * kTableRecordBytes, kTableRecordBytes);
  StoreUint<4>(record, 0, entry.id);
  StoreUint<4>(record, 4, entry.flags);
  StoreUint<4>(record, 8, entry.record_bytes);
  StoreUint<8>(record, 16, entry.range.offset);
  StoreUint<8>(record, 24, entry.range.bytes);
}

Result<void> DecodeSections(std::span<const std::byte> slot, Superblock& s) {
  const auto count = static_cast<size_t>(LoadUint<4>(slot, kSectionCountAt));
  if (count > kMaxSections) return Corrupt("superblock: {} sections, at most {} are possible", count, kMaxSections);
  std::array<uint32_t, kMaxSections> ids = {};
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto [id, flags, record_bytes, range] = DecodeTableEntry(slot, i);
    const bool is_known = id >= 1 && id <= kSectionCount && (flags & ~kRequired) == 0;
    const std::string name = is_known ? kSectionNames[id - 1] : fmt::format("{} (unknown)", id);
    if (std::ranges::find(ids.begin(), ids.begin() + i, id) != ids.begin() + i)
      return Corrupt("superblock: section {} is there twice", name);
    ids[i] = id;
    if (range.offset % kSectionAlign != 0)
      return Corrupt("superblock: section {} at {}, not aligned", name, range.offset);
    if (range.offset < end || range.offset > s.body_bytes || range.bytes > s.body_bytes - range.offset)
      return Corrupt("superblock: section {} lies outside of its place in the index", name);
    if (record_bytes == 0 || range.bytes % record_bytes != 0 || range.bytes / record_bytes > kMaxRecords)
      return Corrupt("superblock: section {} has an impossible length {}", name, range.bytes);
    end = range.offset + range.bytes;
    if (!is_known) {
      s.has_unknown_sections = true;
      if ((flags & kRequired) == 0) continue;
      return Unsupported("superblock: required section {} with flags {:#x}; use a newer quire", name, flags);
    }
    if (record_bytes != kRecordBytes[id - 1])
      return Unsupported("superblock: section {} has records of {} bytes, this release reads {}; use a newer quire",
                         name, record_bytes, kRecordBytes[id - 1]);
    s.sections[id - 1] = range;
  }
  if (s.records(Section::kVolumes) > kMaxVolumes)
    return Corrupt("superblock: {} volumes, at most {} are possible", s.records(Section::kVolumes), kMaxVolumes);
  if (s.records(Section::kDictionaries) > kMaxDictionaries)
    return Corrupt("superblock: {} dictionaries, at most {} are possible", s.records(Section::kDictionaries),
                   kMaxDictionaries);
  if (s.records(Section::kLayers) >= kMaxLayers)
    return Corrupt("superblock: {} layers below, at most {} are possible", s.records(Section::kLayers), kMaxLayers - 1);
  for (const Section required : {Section::kVolumes, Section::kAttributes, Section::kDirectories, Section::kNodes})
    if (s.records(required) == 0 && (required == Section::kVolumes || !s.has_layers_below()))
      return Corrupt("superblock: section {} is empty", kSectionNames[static_cast<size_t>(required)]);
  return {};
}

bool HasMagic(std::span<const std::byte> slot) {
  return slot.size() >= kMagic.size() && std::ranges::equal(slot.first(kMagic.size()), kMagic);
}

bool IsEmpty(std::span<const std::byte> slot) {
  return std::ranges::all_of(slot, [](std::byte byte) { return byte == std::byte{0}; });
}

// Whether the slot never became whole or lost what it held: the other one counts. REQUIRES: it is not empty.
bool IsDamaged(std::span<const std::byte> slot) {
  if (!HasMagic(slot) || slot.size() < kSuperblockBytes) return true;
  return LoadUint<2>(slot, kMajorAt) == kFormatMajor && LoadUint<8>(slot, kSumAt) != Xxh3(slot.first(kSumAt));
}

Result<void> CheckVersion(std::span<const std::byte> slot) {
  const auto major = LoadUint<2>(slot, kMajorAt);
  if (major == kFormatMajor) return {};
  return Unsupported("superblock: format {}.{}, this release reads {}.x; {}", major, LoadUint<2>(slot, kMinorAt),
                     kFormatMajor, major < kFormatMajor ? "pack its source again" : "use a newer quire");
}

// A good checksum proves that the bytes arrived, not that their writer was sane.
Result<Superblock> DecodeFields(std::span<const std::byte> slot) {
  if (const auto features = LoadUint<4>(slot, kFeaturesAt); features != 0)
    return Unsupported("superblock: required features {:#x}, this release knows none; use a newer quire", features);
  Superblock s;
  s.minor = static_cast<uint16_t>(LoadUint<2>(slot, kMinorAt));
  for (size_t i = 0; i < kFields.size(); ++i) s.*kFields[i] = LoadUint<8>(slot, kFieldsAt + 8 * i);
  s.order = static_cast<PackOrder>(LoadUint<4>(slot, kOrderAt));
  s.append_features = static_cast<uint32_t>(LoadUint<4>(slot, kAppendFeaturesAt));
  s.commit_time = LoadUint<8>(slot, kCommitTimeAt);
  s.directories = LoadUint<8>(slot, kDirectoriesAt);
  if (s.generation == 0) return Corrupt("superblock: generation 0");
  if (s.pack_bytes > kMaxVolumeBytes) return Corrupt("superblock: pack of {} bytes", s.pack_bytes);
  if (s.index_offset < kDataBegin || s.index_offset % kIndexAlign != 0)
    return Corrupt("superblock: index at {}, not on a 4 KiB boundary behind the superblocks", s.index_offset);
  if (s.index_offset > s.pack_bytes || s.index_bytes != s.pack_bytes - s.index_offset)  // no overflow: subtract
    return Corrupt("superblock: the index does not end with the pack");
  if (s.body_bytes == 0 || s.body_bytes > s.index_bytes || BlockTreeGeometry(s.body_bytes).total_bytes != s.index_bytes)
    return Corrupt("superblock: body of {} bytes in an index of {}", s.body_bytes, s.index_bytes);
  if (auto sections = DecodeSections(slot, s); !sections) return Propagate(std::move(sections));
  return s;
}

}  // namespace

void EncodeSuperblock(const Superblock& superblock, std::span<std::byte, kSuperblockBytes> slot) {
  std::ranges::fill(slot, std::byte{0});
  std::ranges::copy(kMagic, slot.begin());
  StoreUint<2>(slot, kMajorAt, kFormatMajor);
  StoreUint<2>(slot, kMinorAt, superblock.minor);
  for (size_t i = 0; i < kFields.size(); ++i) StoreUint<8>(slot, kFieldsAt + 8 * i, superblock.*kFields[i]);
  StoreUint<4>(slot, kOrderAt, static_cast<uint32_t>(superblock.order));
  StoreUint<4>(slot, kAppendFeaturesAt, superblock.append_features);
  StoreUint<8>(slot, kCommitTimeAt, superblock.commit_time);
  StoreUint<8>(slot, kDirectoriesAt, superblock.directories);
  size_t count = 0;
  for (size_t i = 0; i < kSectionCount; ++i) {
    const auto section = static_cast<Section>(i);
    if (IsOptional(section) && superblock.sections[i].bytes == 0) continue;
    EncodeTableEntry({.id = static_cast<uint32_t>(i + 1),
                      .flags = IsRequired(section) ? kRequired : 0,
                      .record_bytes = static_cast<uint32_t>(kRecordBytes[i]),
                      .range = superblock.sections[i]},
                     slot, count++);
  }
  StoreUint<4>(slot, kSectionCountAt, static_cast<uint32_t>(count));
  StoreUint<8>(slot, kSumAt, Xxh3(slot.first(kSumAt)));
}

std::span<const std::byte, kLayerBytes> LayerOf(std::span<const std::byte, kSuperblockBytes> slot) {
  return slot.first<kLayerBytes>();
}

std::array<std::byte, kSuperblockBytes> SlotOf(std::span<const std::byte, kLayerBytes> record) {
  std::array<std::byte, kSuperblockBytes> slot = {};
  std::ranges::copy(record, slot.begin());
  StoreUint<8>(slot, kSumAt, Xxh3(std::span(slot).first(kSumAt)));
  return slot;
}

bool MayBeTorn(std::span<const std::byte, kSuperblockBytes> slot, std::span<const std::byte, kSuperblockBytes> before) {
  const auto is_of_before = [&](size_t sector) {
    return std::ranges::equal(slot.subspan(sector * kSectorBytes, kSectorBytes),
                              before.subspan(sector * kSectorBytes, kSectorBytes));
  };
  // The first sector has the generation, the last one the sum, and the second one the end of a long table. Those
  // between are zeros.
  const auto count = LoadUint<4>(slot, kSectionCountAt);
  const bool has_long_table = count > (kSectorBytes - kTableAt) / kTableRecordBytes && count <= kMaxSections;
  return is_of_before(0) || is_of_before(kSumAt / kSectorBytes) || (has_long_table && is_of_before(1));
}

Result<Superblock> DecodeSuperblock(std::span<const std::byte> slot) {
  if (!HasMagic(slot)) return Corrupt("superblock: this is not a Quire pack");
  if (slot.size() < kSuperblockBytes) return Corrupt("superblock: truncated to {} bytes", slot.size());
  slot = slot.first(kSuperblockBytes);
  // The version before the sum: another major version may have moved the sum.
  if (auto version = CheckVersion(slot); !version) return Propagate(std::move(version));
  if (LoadUint<8>(slot, kSumAt) != Xxh3(slot.first(kSumAt))) return Corrupt("superblock: checksum mismatch");
  auto s = DecodeFields(slot);
  if (s && !s->has_layers_below())
    if (auto counts = CheckCounts(*s, s->records(Section::kNodes), s->records(Section::kExtents)); !counts)
      return Propagate(std::move(counts));
  return s;
}

Result<Superblock> DecodeLayer(std::span<const std::byte> record) {
  if (record.size() != kLayerBytes || !HasMagic(record)) return Corrupt("layer: this is no superblock");
  if (auto version = CheckVersion(record); !version) return Propagate(std::move(version));
  if (LoadUint<4>(record, kSectionCountAt) > kMaxLayerSections)
    return Corrupt("layer: {} sections, at most {} are possible", LoadUint<4>(record, kSectionCountAt),
                   kMaxLayerSections);
  return DecodeFields(record);
}

Result<void> CheckCounts(const Superblock& s, uint64_t nodes, uint64_t extents) {
  uint64_t left = nodes;
  for (const auto& [what, count] : {std::pair("directories", s.tree_directories()), std::pair("samples", s.samples),
                                    std::pair("symlinks", s.symlinks), std::pair("hard links", s.hard_links)}) {
    if (count > left)
      return Corrupt("superblock: {} {} are more than the {} entries of the index leave room for", count, what, nodes);
    left -= count;
  }
  if (s.stored_bytes / kPageBytes > extents)
    return Corrupt("superblock: {} bytes in {} extents", s.stored_bytes, extents);
  return {};
}

Result<ChosenSuperblock> ChooseSuperblock(std::span<const std::byte> slots) {
  struct Slot {
    std::span<const std::byte> bytes;
    std::optional<Superblock> superblock;
    bool is_empty = false;
  };
  std::array<Slot, 2> both;
  for (size_t i = 0; i < both.size(); ++i) {
    Slot& slot = both[i];
    slot.bytes = slots.subspan(std::min(slots.size(), i * kSuperblockBytes));
    slot.bytes = slot.bytes.first(std::min(slot.bytes.size(), kSuperblockBytes));
    slot.is_empty = IsEmpty(slot.bytes);
    if (slot.is_empty || IsDamaged(slot.bytes)) continue;
    auto decoded = DecodeSuperblock(slot.bytes);
    if (!decoded) return Propagate(std::move(decoded));
    if (SuperblockOffset(decoded->generation) != i * kSuperblockBytes)
      return Corrupt("superblock: generation {} stands in slot {}", decoded->generation, i);
    slot.superblock = *decoded;
  }
  const bool is_second =
      both[1].superblock && (!both[0].superblock || both[1].superblock->generation > both[0].superblock->generation);
  const Slot& chosen = both[is_second ? 1 : 0];
  const Slot& other = both[is_second ? 0 : 1];
  if (!chosen.superblock) return std::unexpected(DecodeSuperblock(both[0].bytes).error());
  ChosenSuperblock result{.superblock = *chosen.superblock, .damage = std::nullopt};
  const bool may_be_empty = chosen.superblock->generation == 1;
  if (!other.superblock && !(other.is_empty && may_be_empty))
    result.damage = fmt::format("superblock slot {}: {}; slot {} is whole, with generation {}", is_second ? 0 : 1,
                                other.is_empty          ? "empty"
                                : HasMagic(other.bytes) ? "checksum mismatch"
                                                        : "not a superblock",
                                is_second ? 1 : 0, chosen.superblock->generation);
  return result;
}

}  // namespace quire
