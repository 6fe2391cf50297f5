// SPDX-License-Identifier: Apache-2.0
#include "cache/memory_watch.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// While the cache is used. Memory may become short within a second.
constexpr milliseconds kActiveInterval{100};
// While it is not, ever more seldom.
constexpr milliseconds kLongestInterval{2000};
// Slots that stayed free for a second are given back, half of them at a time.
constexpr seconds kTrimEvery{1};
// A stream's slots are of no use to anyone who comes later. A store's are: it keeps them over the pause between two
// epochs.
constexpr seconds kStreamIdle{5};
constexpr seconds kStoreIdle{60};

}  // namespace

Result<void> MemoryWatch::Start() {
  return thread_.Start("quire-memory", [this](const std::stop_token& stop) { Run(stop); });
}

void MemoryWatch::Run(const std::stop_token& stop) {
  auto used_at = Clock::now();
  auto trimmed_at = used_at;
  auto looked_at = used_at;
  uint64_t uses = 0;
  bool is_empty = false;  // nothing is left to give back since the last use
  milliseconds interval = kActiveInterval;
  while (true) {
    cache_.FillReserve(stop, interval);
    if (stop.stop_requested()) return;
    const auto now = Clock::now();
    if (now - looked_at < kActiveInterval) continue;
    looked_at = now;
    const uint64_t uses_now = cache_.uses();
    if (std::exchange(uses, uses_now) != uses_now) {
      used_at = now;
      is_empty = false;
    }
    // Unused as well: who begins to read shall not find what was true an hour ago.
    cache_.residency().LookAtMemory();
    interval = is_empty ? std::min(2 * interval, kLongestInterval) : kActiveInterval;
    if (is_empty || now - trimmed_at < kTrimEvery) continue;
    trimmed_at = now;
    is_empty = now - used_at >= (cache_.residency().IsStream() ? kStreamIdle : kStoreIdle);
    cache_.Trim(is_empty);
  }
}

}  // namespace quire
