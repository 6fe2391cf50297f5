// SPDX-License-Identifier: Apache-2.0
// The superblock: what a reader trusts before any other checksum has passed. Two slots, one for each parity
// of the generation; a commit writes the slot that the last one did not.
// FORMAT.md is the authority on every byte: where the two differ, this file is wrong.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "format/result.h"

namespace quire {

inline constexpr size_t kSuperblockBytes = 4096;  // one sector of the strictest disk: written whole or not at all

// The sections that this release knows; their ids on disk are these numbers + 1.
enum class Section : uint8_t {
  kVolumes,
  kAttributes,
  kDirectories,
  kNodes,
  kExtents,
  kSegments,
  kNames,
  kXattrs,
  kCodedMembers,
  kDictionaries,
  kDictionaryBytes,
  kLayers,
  kReplaced
};
inline constexpr size_t kSectionCount = 13;
inline constexpr size_t kMaxSections = 64;  // in the table, with those that are unknown

// Record size of each section in bytes, in the order of Section; 1 for heaps.
inline constexpr std::array<uint64_t, kSectionCount> kRecordBytes = {64, 32, 24, 32, 24, 32, 1, 1, 40, 32, 1, 1024, 40};
// A record of the section of layers: the first bytes of the superblock of a generation.
inline constexpr size_t kLayerBytes = kRecordBytes[static_cast<size_t>(Section::kLayers)];
inline constexpr size_t kMaxLayers = 64;  // of one generation: its own and those below

// Whether a section is written only where it has records.
constexpr bool IsOptional(Section section) { return section >= Section::kCodedMembers; }
// Whether releases that do not know a section refuse the pack.
constexpr bool IsRequired(Section section) { return section != Section::kCodedMembers; }
// Whether the records of all layers are numbered in one row. The others each layer states by itself.
constexpr bool IsContinued(Section section) {
  return section != Section::kVolumes && section != Section::kLayers && section != Section::kReplaced;
}

enum class PackOrder : uint32_t { kPath = 1, kShuffle = 2, kList = 3, kArchives = 4 };

struct SectionRange {
  uint64_t offset = 0;  // in the index body, multiple of kSectionAlign
  uint64_t bytes = 0;
  bool operator==(const SectionRange&) const = default;
};

// The version of the format that this release writes. It reads every minor version of its major one.
inline constexpr uint16_t kFormatMajor = 2;
inline constexpr uint16_t kFormatMinor = 0;

struct Superblock {
  uint16_t minor = kFormatMinor;  // of the release that wrote it
  uint64_t generation = 0;        // 1 for the first commit
  uint64_t index_offset = 0;      // multiple of kIndexAlign, in volume 0
  uint64_t body_bytes = 0;
  uint64_t index_bytes = 0;  // body and sum tree
  uint64_t root_sum = 0;
  uint64_t pack_bytes = 0;  // end of the commit: what lies behind it is not part of this generation
  uint64_t samples = 0;
  uint64_t symlinks = 0;
  uint64_t hard_links = 0;
  uint64_t left_out = 0;
  uint64_t sample_bytes = 0;  // 2^64 - 1 where it is more
  uint64_t stored_bytes = 0;
  uint64_t order_seed = 0;
  PackOrder order = PackOrder::kPath;
  uint32_t append_features = 0;
  uint64_t commit_time = 0;                          // of a further generation: see EncodeMtime; 0: not told
  uint64_t directories = 0;                          // of a further generation; of others the section tells
  bool has_unknown_sections = false;                 // which are not required
  std::array<SectionRange, kSectionCount> sections;  // of no bytes where the table has none

  [[nodiscard]] const SectionRange& section(Section s) const { return sections[static_cast<size_t>(s)]; }
  // Whether its index is a layer above others.
  [[nodiscard]] bool has_layers_below() const { return section(Section::kLayers).bytes > 0; }
  [[nodiscard]] uint64_t tree_directories() const {
    return has_layers_below() ? directories : records(Section::kDirectories);
  }
  [[nodiscard]] uint64_t records(Section s) const { return section(s).bytes / kRecordBytes[static_cast<size_t>(s)]; }
  bool operator==(const Superblock&) const = default;
};

// Writes `superblock` and its sum. REQUIRES: every field is in range.
void EncodeSuperblock(const Superblock& superblock, std::span<std::byte, kSuperblockBytes> slot);

// Parses untrusted bytes. The error names the field at fault: kUnsupported where another release could read
// the pack, kCorrupt where none can.
Result<Superblock> DecodeSuperblock(std::span<const std::byte> slot);

// The record of the section of layers by which `slot`, a superblock, is found by later generations.
std::span<const std::byte, kLayerBytes> LayerOf(std::span<const std::byte, kSuperblockBytes> slot);

// The slot of which `record` is the layer: its first bytes, zeros, and the sum.
std::array<std::byte, kSuperblockBytes> SlotOf(std::span<const std::byte, kLayerBytes> record);

// Whether `slot` may be what a power cut has left of a commit: sectors of the superblock that was being written, beside
// some of `before`, which stood there. False where all that tells the two apart is of another one: that was written
// whole, and harmed since. REQUIRES: the sum of `slot` is wrong.
bool MayBeTorn(std::span<const std::byte, kSuperblockBytes> slot, std::span<const std::byte, kSuperblockBytes> before);

// The superblock of a generation that a later one names. As DecodeSuperblock; `record` was checked by a sum of its own.
Result<Superblock> DecodeLayer(std::span<const std::byte> record);

// An error where `s` counts more than there can be. `nodes` and `extents`: those of all its layers. The counts are only
// told, but told to people.
Result<void> CheckCounts(const Superblock& s, uint64_t nodes, uint64_t extents);

struct ChosenSuperblock {
  Superblock superblock;
  std::optional<std::string> damage;  // what is wrong with the other slot, where it should be another
};

// Of both slots, the one that a reader takes by the rule of FORMAT.md. `slots`: the first bytes of the pack, as many as
// there are.
Result<ChosenSuperblock> ChooseSuperblock(std::span<const std::byte> slots);

// The offset in the pack of the slot that generation `generation` is committed to.
constexpr uint64_t SuperblockOffset(uint64_t generation) { return (generation - 1) % 2 * kSuperblockBytes; }

}  // namespace quire
