// SPDX-License-Identifier: Apache-2.0
// The bytes of a page by units of 16 KiB: which of them have come, are on their way, or are not needed. Two words.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {

class UnitSet {
 public:
  static constexpr unsigned kUnits = 128;
  static constexpr uint32_t kUnitBytes = kPageBytes / kUnits;

  constexpr UnitSet() = default;
  // `count` units from `first` on. REQUIRES: first + count <= kUnits.
  constexpr UnitSet(unsigned first, unsigned count) {
    assert(first + count <= kUnits);
    for (unsigned word = 0; word < kWords; ++word) {
      const unsigned begin = std::clamp(first, word * kBits, (word + 1) * kBits) - word * kBits;
      const unsigned end = std::clamp(first + count, word * kBits, (word + 1) * kBits) - word * kBits;
      words_[word] = Below(end) & ~Below(begin);
    }
  }
  // Those in which any of the `length_bytes` bytes at `offset` lie, or all of whose bytes are among these. REQUIRES:
  // they lie in one page, of which `offset` is counted.
  static constexpr UnitSet Touching(uint64_t offset, uint64_t length_bytes) {
    return Between(offset / kUnitBytes, (offset + std::max<uint64_t>(length_bytes, 1) - 1) / kUnitBytes + 1);
  }
  static constexpr UnitSet Within(uint64_t offset, uint64_t length_bytes) {
    return Between(CeilDiv(offset, kUnitBytes), (offset + length_bytes) / kUnitBytes);
  }

  [[nodiscard]] constexpr bool empty() const { return (words_[0] | words_[1]) == 0; }
  [[nodiscard]] constexpr unsigned count() const {
    return static_cast<unsigned>(std::popcount(words_[0]) + std::popcount(words_[1]));
  }
  // REQUIRES: not empty.
  [[nodiscard]] constexpr unsigned first() const {
    assert(!empty());
    const auto first = static_cast<unsigned>(std::countr_zero(words_[0]));
    return first < kBits ? first : kBits + static_cast<unsigned>(std::countr_zero(words_[1]));
  }
  // How many units in a row from the first one on. REQUIRES: not empty.
  [[nodiscard]] constexpr unsigned first_run() const {
    UnitSet others(first(), kUnits - first());
    others -= *this;
    return (others.empty() ? kUnits : others.first()) - first();
  }
  [[nodiscard]] constexpr bool Overlaps(const UnitSet& other) const { return !(*this & other).empty(); }

  constexpr UnitSet& operator|=(const UnitSet& other) {
    for (unsigned word = 0; word < kWords; ++word) words_[word] |= other.words_[word];
    return *this;
  }
  constexpr UnitSet& operator&=(const UnitSet& other) {
    for (unsigned word = 0; word < kWords; ++word) words_[word] &= other.words_[word];
    return *this;
  }
  constexpr UnitSet& operator-=(const UnitSet& other) {
    for (unsigned word = 0; word < kWords; ++word) words_[word] &= ~other.words_[word];
    return *this;
  }
  friend constexpr UnitSet operator&(UnitSet set, const UnitSet& other) { return set &= other; }
  friend constexpr bool operator==(const UnitSet&, const UnitSet&) = default;

 private:
  static constexpr unsigned kBits = 64;
  static constexpr unsigned kWords = kUnits / kBits;

  static constexpr uint64_t Below(unsigned bit) { return bit == kBits ? ~uint64_t{0} : (uint64_t{1} << bit) - 1; }
  static constexpr UnitSet Between(uint64_t begin, uint64_t end) {
    return {static_cast<unsigned>(begin), static_cast<unsigned>(end > begin ? end - begin : 0)};
  }

  std::array<uint64_t, kWords> words_ = {};
};

}  // namespace quire
