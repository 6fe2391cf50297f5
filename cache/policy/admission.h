// SPDX-License-Identifier: Apache-2.0
// Admit or bypass: whether a read of a page that is not resident fills the page and keeps it, or reads its extent only.
// Not thread-safe: the cache's lock guards it. Allocates in its constructor only.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "cache/cache_options.h"
#include "cache/policy/cost_model.h"

namespace quire {

enum class Admit : uint8_t { kPage, kExtent };

class Admission {
 public:
  // Of a volume of `pages` pages, which may grow to `most_pages` where that is more, by an arena of `slots` slots.
  // Throws std::bad_alloc as a container would.
  Admission(AdmissionMode mode, uint64_t pages, uint32_t slots, uint64_t most_pages = 0);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() = default;

  struct Miss {
    uint64_t page = 0;
    uint32_t page_bytes = 0;    // that a fill would read
    uint32_t extent_bytes = 0;  // that a bypass would read
    bool in_run = false;        // readahead sees a sequential run here
    bool has_free_slot = false;
    // Without a free slot: when the page that would go was last used, in misses, and whether there is one at all.
    bool has_victim = false;
    uint64_t victim_used_at = 0;
    bool is_handed_on = false;  // the kernel has most of the page, or had it
    // The arena is a stream (residency.h), the page may be filled as a bet that the rest of it will be read, and all of
    // the volume is being read.
    bool is_stream = false;
    bool may_fill = false;
    bool is_spread = false;
    bool is_kept_below = false;  // a tier would keep the page, and has it not yet
  };
  // What the bypass of a miss costs, as a share of the price of its page: at most 1.
  [[nodiscard]] static double RentOf(const Miss& miss, const CostModel& costs);

  // Decides about the miss number `now` (they count up from 1), and remembers what a bypass was charged. kPage only
  // where there is a free slot or a victim. REQUIRES: miss.page < pages.
  //   kept below            kPage: it comes from far away once, for all who use the tier; an extent would come each
  //                         time.
  //   handed on             rent or buy, below: what is missing of a page that the kernel was given is a sample or two.
  //   sequential run        kPage: all of the page will be read, and as one read it never costs more than as many.
  //   a stream              kPage while there is a free slot and the bet may be made, if all of the volume is being
  //                         read, or the page missed before: one file, or a few, are read alone.
  //   the volume fits, or   kPage while there is a free slot: a page that stays is a part of the data set that later
  //   an eighth of it       epochs do not read. At worst, a reader of few samples makes the cache read the volume once.
  //   otherwise             rent or buy (the ski-rental rule): each bypass pays rent, its cost, into its page's
  //   account;
  //                         kPage when the rents of this page and of the better of its neighbours reach the price, the
  //                         cost of the page. So reads that cluster cost at most about twice what they must, and
  //                         somebody who wants one small sample of a huge pack, or some from a slow volume, reads
  //                         little more than that.
  // A free slot is all that such a purchase needs, however long ago the rents were paid. For the slot of a victim only
  // rents of the last W misses count, and the victim must not have been used since the first of them. W is so short
  // that a uniform shuffle over the pages that are not resident pays an eighth of the price, or less, in that time:
  // then it buys next to never, which is right, since one page is worth as much to it as another. A victim that was
  // not used for longer than any page of a uniform shuffle would be (its longest gaps grow with the logarithm of
  // the slots) is of no use any more: then all rents of the page since its last use count.
  Admit Decide(const Miss& miss, uint64_t now, const CostModel& costs);

  // The volume has `pages` pages now. REQUIRES: no fewer than before, most_pages at most.
  void Grow(uint64_t pages);

  // Whether every page of the volume has a slot. Any thread, without the lock.
  [[nodiscard]] bool fits() const { return slots_ >= pages(); }

 private:
  // What bypasses of one page have paid.
  struct Account {
    float rents = 0;     // as a share of the price
    uint64_t since = 0;  // the miss that paid first
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  [[nodiscard]] bool Buys(const Miss& miss, uint64_t now, const CostModel& costs);
  // `account` as it is seen through the window: older payments fade in proportion, as if all had been paid evenly.
  static Account Faded(const Account& account, uint64_t now, double window);
  [[nodiscard]] double Window() const;

  [[nodiscard]] uint64_t pages() const { return pages_.load(std::memory_order_relaxed); }

  const AdmissionMode mode_;
  std::atomic<uint64_t> pages_ = 0;
  const uint64_t slots_;
  double stale_misses_ = 0;   // idle for longer, a victim is of no use any more
  double typical_share_ = 0;  // of a price that a bypass pays, on average; 0: none paid yet
  // One for each page, zeroed by the kernel when touched (calloc(3) of so much is a fresh mapping): a volume of 2^27
  // pages costs address space only.
  const std::unique_ptr<Account[], Free> accounts_;
};

}  // namespace quire
