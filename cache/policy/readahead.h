// SPDX-License-Identifier: Apache-2.0
// Finds sequential runs in the order of the pack, and says which pages to fill before they are asked for. Not
// thread-safe: the cache's lock guards it. No allocation after construction.
#pragma once

#include <array>
#include <cstdint>

namespace quire {

class Readahead {
 public:
  // Of a volume of `pages` pages. `budget_pages`: of all runs together, pages that were prefetched and not used yet.
  Readahead(uint64_t pages, uint32_t budget_pages);

  struct Advice {
    bool in_run = false;      // the access continues a run: its page will be read to its end
    uint64_t first_page = 0;  // pages [first_page, first_page + pages) should be filled now, in this order
    uint32_t pages = 0;       // never those that an earlier advice named for the same run
  };

  // Readers side by side interleave and overtake each other a little, so a run is a neighbourhood that moves forward:
  // an access belongs to a run when it lies at most 8 pages from the run's head (fewer in a volume of less than 512
  // pages, one at least), or among the pages advised for it.
  //
  // A run is confirmed by evidence. An access that begins where the head is, or where the page behind it begins, give
  // or take a few of its own lengths, counts the more, the less likely a uniform shuffle would have put it as near to
  // one of the runs followed; one that lands elsewhere ahead of the head counts against the run, unless on pages
  // advised for it; one behind the head says nothing (so reading backwards is no run). That takes two or three accesses
  // of one reader in a large volume, some more in a small one or among many readers; a uniform shuffle is taken for a
  // run less than once in 1,000 accesses. Counting accesses in a row would not do: 32 runs cover most of a volume of
  // 150 pages.
  //
  // At most 32 runs are followed; the least recently fed goes, confirmed ones last; one that is not fed for long ends.
  //
  // Told of: every miss, and the first use of every prefetched page (that is what moves a confirmed run on: hits in
  // between cost nothing). `offset` in the volume; `bytes` accessed. REQUIRES: inside the volume.
  Advice Access(uint64_t offset, uint32_t bytes);

  // The volume has `pages` pages now. REQUIRES: no fewer than before.
  void Grow(uint64_t pages) { pages_ = pages; }

  // What became of prefetched pages. Each use lets the window of runs grow, doubling from 1 page up to `bdp_pages` (the
  // bandwidth-delay product, at least 2: see SetBandwidthDelay); each waste (evicted or dropped before use) halves it.
  void PrefetchUsed();
  void PrefetchWasted();
  // Twice the pages that the volume delivers during the latency of one page's fill, both as measured. 4 until told.
  void SetBandwidthDelay(uint32_t pages);

  // Pages advised and neither used nor wasted yet.
  [[nodiscard]] uint32_t outstanding_pages() const { return outstanding_pages_; }
  // The cache did not follow an advice for one page after all (resident already, or no slot): not outstanding.
  void PrefetchDeclined();

 private:
  struct Run {
    uint64_t head = 0;          // behind the farthest byte accessed
    uint64_t advised_page = 0;  // all before were advised, or are behind the head
    uint64_t fed_at = 0;        // access number; 0: no run
    double evidence = 0;        // bits
    bool is_confirmed = false;
  };
  static constexpr uint32_t kMaxRuns = 32;

  void EndOldRuns();
  [[nodiscard]] Run* FindRun(uint64_t offset);
  [[nodiscard]] Run& OldestRun();
  // Bits by which the access speaks for the run: see Access. REQUIRES: offset >= run.head.
  [[nodiscard]] double Evidence(const Run& run, uint64_t offset, uint32_t bytes) const;
  void Advise(Run& run, Advice& advice);

  uint64_t pages_;
  const uint32_t budget_pages_;
  const uint64_t reach_bytes_;
  double page_begin_share_ = 0.05;  // of the accesses lately: those at or near the beginning of a page
  uint32_t window_pages_ = 1;
  uint32_t bandwidth_delay_pages_ = 4;
  uint32_t outstanding_pages_ = 0;
  uint64_t accesses_ = 0;
  uint32_t run_count_ = 0;
  std::array<Run, kMaxRuns> runs_;
};

}  // namespace quire
