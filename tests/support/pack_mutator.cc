// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pack_mutator.h"

#include <algorithm>
#include <array>
#include <vector>

#include "format/coding.h"

namespace quire {
namespace {

struct Field {
  size_t at;
  size_t bytes;
};

// The fields of the records of each section, as FORMAT.md has them; heaps have bytes.
const std::array<std::vector<Field>, kSectionCount> kRecordFields = {{
    {{0, 2}, {2, 2}, {4, 2}, {8, 4}, {16, 8}, {24, 8}, {32, 8}, {40, 8}},
    {{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 8}, {24, 4}},
    {{0, 8}, {8, 8}, {16, 8}},
    {{0, 8}, {8, 8}, {16, 4}, {20, 5}, {25, 1}, {26, 1}, {27, 5}},
    {{0, 6}, {6, 2}, {8, 3}, {11, 5}, {16, 8}},
    {{0, 8}, {8, 8}, {16, 8}, {24, 8}},
    {{0, 1}},
    {{0, 1}, {0, 4}},
    {{0, 6}, {6, 2}, {8, 6}, {14, 1}, {15, 1}, {16, 8}, {24, 8}, {32, 8}},
    {{0, 8}, {8, 4}, {16, 8}},
    {{0, 1}},
    {{0, 8},   {8, 2},   {12, 4},  {16, 4},  {20, 4},  {24, 8},  {32, 8},  {40, 8},  {48, 8},  {56, 8},
     {64, 8},  {72, 8},  {80, 8},  {88, 8},  {104, 8}, {112, 8}, {128, 4}, {136, 8}, {144, 8}, {192, 4},
     {196, 4}, {200, 4}, {208, 8}, {216, 8}, {240, 8}, {248, 8}, {272, 8}, {280, 8}, {304, 8}, {312, 8}},
    {{0, 8}, {8, 8}, {16, 8}, {24, 4}, {28, 5}, {33, 1}, {34, 1}, {35, 5}},
}};

uint64_t Load(std::span<const std::byte> bytes, const Field& field) {
  std::array<std::byte, 8> value = {};
  std::ranges::copy(bytes.subspan(field.at, field.bytes), value.begin());
  return LoadUint<8>(value, 0);
}

void Store(std::span<std::byte> bytes, const Field& field, uint64_t number) {
  std::array<std::byte, 8> value = {};
  StoreUint<8>(value, 0, number);
  std::ranges::copy(std::span(value).first(field.bytes), bytes.begin() + static_cast<ptrdiff_t>(field.at));
}

class Mutator {
 public:
  Mutator(ForgedPack& pack, std::mt19937_64& random) : pack_(pack), random_(random) {}

  void Change() {
    constexpr uint64_t kSuperblockShare = 8;
    if (Below(kSuperblockShare) == 0) return ChangeSuperblock();
    const size_t number = Below(kSectionCount);
    const SectionRange& range = pack_.superblock.sections[number];
    const uint64_t body_bytes = pack_.body().size();
    if (range.bytes > body_bytes || range.offset > body_bytes - range.bytes) return;  // by a change before
    const uint64_t records = range.bytes / kRecordBytes[number];
    if (records == 0) return;
    const auto section = static_cast<Section>(number);
    const auto& fields = kRecordFields[number];
    const Field field = fields[Below(fields.size())];
    const auto record = pack_.record(section, Below(records));
    if (field.at + field.bytes > record.size()) return;  // of a heap
    constexpr uint64_t kOtherRecordShare = 3;
    const uint64_t value = Below(kOtherRecordShare) == 0 ? Load(pack_.record(section, Below(records)), field)
                                                         : NewValue(Load(record, field), field.bytes);
    Store(record, field, value);
  }

 private:
  // The section table, whose ranges the sums of the index do not cover, and what is only told.
  void ChangeSuperblock() {
    Superblock& superblock = pack_.superblock;
    SectionRange& range = superblock.sections[Below(kSectionCount)];
    const std::array<uint64_t*, 11> numbers = {&range.offset,
                                               &range.bytes,
                                               &superblock.samples,
                                               &superblock.symlinks,
                                               &superblock.hard_links,
                                               &superblock.left_out,
                                               &superblock.sample_bytes,
                                               &superblock.stored_bytes,
                                               &superblock.order_seed,
                                               &superblock.commit_time,
                                               &superblock.directories};
    uint64_t& number = *numbers[Below(numbers.size())];
    number = NewValue(number, 8);
  }

  uint64_t NewValue(uint64_t old, size_t bytes) {
    const auto& sections = pack_.superblock.sections;
    const size_t section = Below(kSectionCount);
    switch (Below(8)) {
      case 0:
        return old + 1;
      case 1:
        return old - 1;
      case 2:
        return 0;
      case 3:
        return ~uint64_t{0} >> (64 - 8 * bytes);
      case 4:
        return uint64_t{1} << Below(8 * bytes);
      case 5:  // just behind a section
        return sections[section].bytes / kRecordBytes[section] + Below(2);
      case 6:
        return Below(256);
      default:
        return random_();
    }
  }

  uint64_t Below(uint64_t limit) { return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random_); }

  ForgedPack& pack_;
  std::mt19937_64& random_;
};

}  // namespace

void Mutate(ForgedPack& pack, std::mt19937_64& random) {
  constexpr uint64_t kMostChanges = 4;
  const auto changes = std::uniform_int_distribution<uint64_t>(1, kMostChanges)(random);
  for (uint64_t i = 0; i < changes; ++i) Mutator(pack, random).Change();
}

}  // namespace quire
