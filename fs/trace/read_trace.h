// SPDX-License-Identifier: Apache-2.0
// Reads that are being recorded, from the threads that answer them to the one that hands them out (record_ring.h).
// Where the ring is full a record is lost and counted; nobody waits.
//
// Off, it costs a reader one relaxed load. The ring takes 4 MiB when it is first switched on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fs/trace/record_ring.h"
#include "fs/trace/trace_format.h"

namespace quire {

class ReadTrace {
 public:
  // A fifth of a second at 300,000 reads a second, ten times as long as the reader sleeps.
  static constexpr size_t kRecords = 1 << 16;

  // The hit path asks this, and no more where it is off.
  [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }

  // Any thread. `began_ns`: NowNs() when the request came; the record's times are set from it.
  void Add(TraceRecord record, uint64_t began_ns);

  // --- For one thread, the reader's.

  // What was recorded before is forgotten. False where there is no memory for it.
  bool SwitchOn();
  void SwitchOff() { is_on_.store(false, std::memory_order_relaxed); }
  // Appends what came to `records`, `most` of them.
  void Take(std::vector<TraceRecord>& records, size_t most) { ring_.Take(records, most); }
  // How many were lost since the last call.
  uint64_t TakeLost() { return lost_.exchange(0, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<bool> is_on_ = false;  // read by all, written next to never
  std::atomic<uint64_t> began_ns_ = 0;
  RecordRing<TraceRecord, kRecords> ring_;
  alignas(64) std::atomic<uint64_t> lost_ = 0;
};

}  // namespace quire
