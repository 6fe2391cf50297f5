// SPDX-License-Identifier: Apache-2.0
// Packs whose numbers lie and whose sums are good, as a hostile writer would make them: a whole pack in memory, records
// of which are replaced, with the sums made good again.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "format/pack/superblock.h"
#include "format/write/index_tables.h"

namespace quire {

class ForgedPack {
 public:
  // Of a valid pack; else the program ends. Of several layers the newest is what can be changed.
  explicit ForgedPack(std::string bytes);

  // To be changed at will; `index_offset` and `body_bytes` stay.
  Superblock superblock;
  // The sections, one after the other.
  [[nodiscard]] std::span<std::byte> body();
  // REQUIRES: it is there.
  [[nodiscard]] std::span<std::byte> record(Section section, uint64_t number);
  template <typename Record>
  void Replace(Section section, uint64_t number, const Record& record) {
    constexpr size_t kBytes = std::is_same_v<Record, Volume>                                        ? 64
                              : std::is_same_v<Record, CodedMember>                                 ? 40
                              : std::is_same_v<Record, Directory> || std::is_same_v<Record, Extent> ? 24
                                                                                                    : 32;
    Encode(record, this->record(section, number).first<kBytes>());
  }

  // The pack, with good sums.
  [[nodiscard]] std::string Bytes();

 private:
  std::string bytes_;
};

// Makes the sums of an index good: those of the tree behind its body. Returns that of the root. REQUIRES: `index` is as
// long as a body of `body_bytes` and its tree.
uint64_t RepairSumTree(std::span<std::byte> index, uint64_t body_bytes);

// Writes a pack of `tables` as they are, with `sample_bytes` behind the superblocks, which become volume 0, or where
// there are dictionaries coded bytes, and whatever the tables say in the index. A failure ends the program.
void WriteTables(IndexTables& tables, const std::string& sample_bytes, const std::string& path);

// Directories that have each other's children: each of two in `levels` levels holds both of the next one, so that there
// are 2^levels paths. `with_spacers`: between them stand records that end where the next one begins.
void FillWithSharedChildren(IndexTables& tables, uint64_t levels, bool with_spacers);

// A file `elsewhere` whose 16 bytes are the first of volume 1, which the index says to be of `kind` and at `location`.
void FillWithVolume(IndexTables& tables, uint16_t kind, std::string_view location);

// Frames of zeros that lie as they are, of two samples, and a member of codec 2 whose bytes are no frame, with a
// dictionary: all but the last sample can be read where the coded bytes are kFilledFrameBytes zeros.
void FillWithFrames(IndexTables& tables);
inline constexpr uint64_t kFilledFrameBytes = kFrameBytes + 1000 + 500 + 100;

// A directory in a directory, `levels` of them, and a file in the last; names of `name_bytes` bytes.
void FillWithChain(IndexTables& tables, uint64_t levels, size_t name_bytes);

}  // namespace quire
