// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/read_trace.h"

#include <algorithm>
#include <limits>

#include "cache/steady_clock.h"

namespace quire {

void ReadTrace::Add(TraceRecord record, uint64_t began_ns) {
  const uint64_t on_since_ns = began_ns_.load(std::memory_order_relaxed);
  record.time_ns = began_ns - std::min(began_ns, on_since_ns);  // one that came before counts as the first
  const uint64_t latency_ns = NowNs() - began_ns;
  record.latency_ns = static_cast<uint32_t>(std::min<uint64_t>(latency_ns, std::numeric_limits<uint32_t>::max()));
  if (!ring_.Add(record)) lost_.fetch_add(1, std::memory_order_relaxed);
}

bool ReadTrace::SwitchOn() {
  if (!ring_.Prepare()) return false;
  std::vector<TraceRecord> stale;
  for (Take(stale, kRecords); !stale.empty(); Take(stale, kRecords)) stale.clear();
  TakeLost();
  began_ns_.store(NowNs(), std::memory_order_relaxed);
  is_on_.store(true, std::memory_order_relaxed);
  return true;
}

}  // namespace quire
