// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/read_trace.h"

#include <algorithm>
#include <limits>
#include <new>

#include "cache/steady_clock.h"

namespace quire {

void ReadTrace::Add(TraceRecord record, uint64_t began_ns) {
  Slot* const slots = slots_.load(std::memory_order_acquire);
  if (slots == nullptr) return;
  const uint64_t on_since_ns = began_ns_.load(std::memory_order_relaxed);
  record.time_ns = began_ns - std::min(began_ns, on_since_ns);  // one that came before counts as the first
  const uint64_t latency_ns = NowNs() - began_ns;
  record.latency_ns = static_cast<uint32_t>(std::min<uint64_t>(latency_ns, std::numeric_limits<uint32_t>::max()));
  uint64_t turn = next_written_.load(std::memory_order_relaxed);
  while (true) {
    Slot& slot = slots[turn % kRecords];
    const uint64_t ready = slot.turn.load(std::memory_order_acquire);
    if (ready == turn) {
      if (!next_written_.compare_exchange_weak(turn, turn + 1, std::memory_order_relaxed)) continue;
      slot.record = record;
      slot.turn.store(turn + 1, std::memory_order_release);
      return;
    }
    if (ready < turn) {  // what was written a round ago has not been taken
      lost_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    turn = next_written_.load(std::memory_order_relaxed);
  }
}

bool ReadTrace::SwitchOn() {
  if (memory_ == nullptr) {
    memory_.reset(new (std::nothrow) Slot[kRecords]);
    if (memory_ == nullptr) return false;
    for (size_t i = 0; i < kRecords; ++i) memory_[i].turn.store(i, std::memory_order_relaxed);
    slots_.store(memory_.get(), std::memory_order_release);
  }
  std::vector<TraceRecord> stale;
  for (Take(stale, kRecords); !stale.empty(); Take(stale, kRecords)) stale.clear();
  TakeLost();
  began_ns_.store(NowNs(), std::memory_order_relaxed);
  is_on_.store(true, std::memory_order_relaxed);
  return true;
}

void ReadTrace::Take(std::vector<TraceRecord>& records, size_t most) {
  while (most-- > 0) {
    Slot& slot = memory_[next_read_ % kRecords];
    if (slot.turn.load(std::memory_order_acquire) != next_read_ + 1) return;
    records.push_back(slot.record);
    slot.turn.store(next_read_ + kRecords, std::memory_order_release);
    ++next_read_;
  }
}

}  // namespace quire
