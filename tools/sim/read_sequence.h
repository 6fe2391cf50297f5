// SPDX-License-Identifier: Apache-2.0
// What policies are tried on: the reads of a trace or of a textbook's reference string, in their order. Pages are
// numbered anew from 0 on, so that tables of them stay small whatever a trace claims.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/geometry.h"
#include "format/result.h"

namespace quire::lab {

// A piece of one extent that was asked for.
struct LabRead {
  uint32_t page = 0;
  uint32_t begin = 0;         // of the extent, in the page
  uint32_t extent_bytes = 0;  // what reading it alone would read
  uint32_t wanted_bytes = 0;
  bool operator==(const LabRead&) const = default;
};

struct ReadSequence {
  std::vector<LabRead> reads;
  // Below this are the numbers of pages. Pages side by side keep that, and those apart keep one number between them.
  uint32_t page_numbers = 0;
  uint32_t distinct_pages = 0;
  uint64_t volume_pages = 0;  // of which these are a part
  uint32_t page_bytes = kPageBytes;
  // Of a reference string, what each page is called; empty of a trace. There a page is one byte, and time is counted in
  // reads, as textbooks do, not in misses, as a mount does.
  std::vector<std::string> names = {};

  [[nodiscard]] bool is_reference_string() const { return !names.empty(); }
};

inline constexpr uint64_t kMostReads = uint64_t{1} << 31;  // of a sequence: 32 GiB of memory

// Where a read was, before pages are numbered anew.
struct PlacedRead {
  uint64_t place = 0;  // of the extent's first byte, in all volumes as one row of pages
  uint32_t extent_bytes = 0;
  uint32_t wanted_bytes = 0;
};

// REQUIRES: at most kMostReads; extents lie within one page each, and in the first 2^63 pages.
ReadSequence NumberPages(std::span<const PlacedRead> reads, uint64_t volume_pages);

// "1 2 3 4 1 2 5", "a,b,c" or, as some textbooks write it, "123412512345": letters and digits in words, or each on its
// own where there is one word. kInvalid for anything else.
Result<ReadSequence> ParseReferenceString(std::span<const std::string> words);

// Whether the word can only be a reference string, and no name of a file that is not there.
bool LooksLikeReferences(std::string_view word);

}  // namespace quire::lab
