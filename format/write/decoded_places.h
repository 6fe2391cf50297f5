// SPDX-License-Identifier: Apache-2.0
// Where coded members lie in the volume that they are decoded to. Places there cost nothing on disk; of a page in
// memory what no member has is lost.
#pragma once

#include <cstdint>

#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {

class DecodedPlaces {
 public:
  // `most_bytes`: what is no longer lies between two multiples of that, and what is longer begins at one: kPageBytes or
  // kFrameBytes. `are_long_alone`: what is longer ends at one too. `begin`: of the first place, such a multiple.
  constexpr DecodedPlaces(uint64_t most_bytes, bool are_long_alone, uint64_t begin = 0)
      : most_bytes_(most_bytes), are_long_alone_(are_long_alone), end_(begin), last_end_(begin) {}

  // The place of the next `bytes` decoded bytes, behind all that were taken before.
  uint64_t Take(uint64_t bytes) {
    const bool is_long = bytes > most_bytes_;
    const uint64_t own_pieces = bytes >= kLeastBytesAlone ? kPieceBytes : kExtentAlign;
    uint64_t begin = AlignUp(end_, is_long ? most_bytes_ : own_pieces);
    if (!is_long && begin % most_bytes_ + bytes > most_bytes_) begin = AlignUp(begin, most_bytes_);
    last_end_ = begin + bytes;
    end_ = AlignUp(last_end_, is_long && are_long_alone_ ? most_bytes_ : own_pieces);
    return begin;
  }

  // Where the last one ends.
  [[nodiscard]] uint64_t last_end() const { return last_end_; }

 private:
  // The page cache reads a page by pieces of 16 KiB. What has four or more has its own ones, so that a reader of
  // it waits for no other member to be decoded; that costs a sixteenth of the place, on average.
  static constexpr uint64_t kPieceBytes = 16 << 10;
  static constexpr uint64_t kLeastBytesAlone = 4 * kPieceBytes;

  uint64_t most_bytes_;
  bool are_long_alone_;
  uint64_t end_;  // where the next one may begin
  uint64_t last_end_;
};

}  // namespace quire
