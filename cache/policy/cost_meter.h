// SPDX-License-Identifier: Apache-2.0
// Watches a volume work, and tells its cost model: how long it was busy for how many requests and bytes.
#pragma once

#include <cstdint>

#include "cache/policy/cost_model.h"

namespace quire {

// Not thread-safe: the cache's lock guards it. No allocation. Times are of one steady clock, in nanoseconds.
class CostMeter {
 public:
  // Reads were handed to the volume; one of them came back.
  void Began(uint64_t reads, uint64_t now_ns);
  void Ended(uint64_t bytes, uint64_t now_ns);
  // A request, of a whole page or of an extent, is complete: as it counts for the model.
  void Completed(uint64_t bytes, uint64_t now_ns);
  // A page was filled so long after it was asked for.
  void FillTook(uint64_t latency_ns);

  [[nodiscard]] const CostModel& costs() const { return costs_; }
  // Twice the pages that the volume delivers during the latency of one page's fill.
  [[nodiscard]] uint32_t bandwidth_delay_pages() const;
  // How many reads of `bytes` in flight keep the volume busy: those whose transfer fits into the time that the volume
  // takes to answer one that is alone, that one, and one more for the time in which the next is made. At most
  // `most`, also as long as no read was alone.
  [[nodiscard]] uint32_t BusyDepth(uint64_t bytes, uint32_t most) const;

 private:
  CostModel costs_;
  uint64_t in_flight_ = 0;
  uint64_t busy_since_ns_ = 0;
  // Since the model was told last.
  uint64_t busy_ns_ = 0;
  uint64_t requests_ = 0;
  uint64_t bytes_ = 0;
  uint64_t least_fill_ns_ = 0;
  uint64_t alone_since_ns_ = 0;  // 0: the read in flight, if any, was not alone all the time
  double alone_ns_ = -1;         // before the transfer of the first byte; negative: not known
};

}  // namespace quire
