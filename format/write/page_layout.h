// SPDX-License-Identifier: Apache-2.0
// Decides where each run of sample bytes goes: pages are filled in the order of the samples, and the gap at the end of
// a page is filled with what fits best of the samples just ahead, or with the front of the next one. One page is open
// at a time, so the pages need no memory. Measured waste: see README.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

// Bytes of a sample that are not a hole.
struct DataRange {
  uint64_t offset = 0;
  uint64_t length_bytes = 0;
};

// Not thread-safe. After an error the layout is unusable.
class PageLayout {
 public:
  // Fills `tables.extents` (but for the sums), `tables.segments` and the content of sample nodes, of which those that
  // are cut at the end of a page become kSegmented; `file_offsets` receives, for each extent, where in its sample it
  // begins.
  // `begin`: where the pages begin in the pack, a multiple of kIndexAlign.
  PageLayout(IndexTables& tables, Spool<uint64_t>& file_offsets, uint64_t begin = kDataBegin)
      : tables_(tables), file_offsets_(file_offsets), begin_(begin), page_(begin / kPageBytes), next_page_(page_ + 1) {}

  // The next sample in pack order. `ranges`: its data, sorted, where it is kSegmented; unused otherwise.
  Result<void> Add(NodeNumber node, std::span<const DataRange> ranges);

  // Places what is left. Returns the end of the sample bytes in the pack.
  Result<uint64_t> Finish();

 private:
  struct Run {
    NodeNumber node;
    uint64_t file_offset;
    uint64_t length_bytes;
    std::optional<uint64_t> segment;  // whose first extent this is; empty: the node's own extent
  };
  using Ahead = std::map<uint64_t, Run>;  // by arrival

  Result<void> Push(const Run& run);
  Result<void> PlaceNext();
  Result<void> PlaceInPage(Ahead::iterator run);
  Result<void> FillGap();
  Result<void> CutNext();
  Result<void> ClosePage();
  Result<void> Emit(const Run& run, uint64_t offset);
  void Take(Ahead::iterator run);

  IndexTables& tables_;
  Spool<uint64_t>& file_offsets_;

  Ahead ahead_;                                        // runs that wait for a place
  std::set<std::pair<uint64_t, uint64_t>> by_length_;  // (length, arrival) of those shorter than a page
  uint64_t arrivals_ = 0;

  const uint64_t begin_;
  uint64_t page_;                                      // the open page
  uint64_t fill_bytes_ = 0;                            // of it, from its start
  uint64_t next_page_;                                 // the first that nothing lies in
  std::vector<std::pair<uint64_t, Run>> whole_pages_;  // first page and run of what follows the open page already
};

}  // namespace quire
