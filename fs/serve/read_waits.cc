// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/read_waits.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace quire {
namespace {

// In the order of ReadStage.
constexpr std::array<const char*, kReadStages> kStageNames = {"queue",  "volume", "tier", "peers",
                                                              "decode", "check",  "reply"};

constexpr uint64_t kNsPerMs = 1000000;

void Add(std::atomic<uint64_t>& sum, uint64_t amount) { sum.fetch_add(amount, std::memory_order_relaxed); }

}  // namespace

const char* NameOf(ReadStage stage) { return kStageNames[static_cast<size_t>(stage)]; }

void ReadWaits::Count(const WaitedRead& read) noexcept {
  const uint64_t total_ns = read.ended_ns - read.began_ns;
  Block& block = blocks_[ThreadBlock()];
  Add(block.reads_by_us[LatencyBucket(total_ns)], 1);
  Add(block.total_ns, total_ns);
  for (size_t i = 0; i < kReadStages; ++i)
    if (const uint64_t ns = read.times[static_cast<ReadStage>(i)]; ns > 0) Add(block.stage_ns[i], ns);
  if (slow_ns_ != 0 && total_ns >= slow_ns_) CountSlow(read);
}

void ReadWaits::CountSlow(const WaitedRead& read) {
  Add(slow_reads_, 1);
  Add(slow_total_ns_, read.ended_ns - read.began_ns);
  for (size_t i = 0; i < kReadStages; ++i) Add(slow_stage_ns_[i], read.times[static_cast<ReadStage>(i)]);
  try {
    Log(read);
  } catch (...) {  // no memory, most likely
    Add(untold_, 1);
  }
}

void ReadWaits::Log(const WaitedRead& read) {
  uint64_t next_line_ns = next_line_ns_.load(std::memory_order_relaxed);
  const auto pause_ns = static_cast<uint64_t>(std::chrono::nanoseconds(kBetweenLines).count());
  const bool is_told =
      read.ended_ns >= next_line_ns && next_line_ns_.compare_exchange_strong(next_line_ns, read.ended_ns + pause_ns);
  if (!is_told) return Add(untold_, 1);
  const uint64_t others = untold_.exchange(0, std::memory_order_relaxed);
  spdlog::warn("{}{}", Describe(read),
               others == 0 ? "" : fmt::format("; {} other slow reads since the last such line", others));
}

std::string ReadWaits::Describe(const WaitedRead& read) const {
  const uint64_t total_ns = read.ended_ns - read.began_ns;
  std::string parts;
  uint64_t rest_ns = total_ns;
  const auto add = [&parts](const char* name, uint64_t ns) {
    if (ns >= kNsPerMs) parts += fmt::format("{}{} {} ms", parts.empty() ? "" : ", ", name, ns / kNsPerMs);
  };
  for (size_t i = 0; i < kReadStages; ++i) {
    const auto stage = static_cast<ReadStage>(i);
    const uint64_t ns = read.times[stage];
    rest_ns -= std::min(rest_ns, ns);
    const char* const volume = is_far_ ? "network" : "disk";
    add(stage == ReadStage::kVolume ? volume : NameOf(stage), ns);
  }
  add("rest", rest_ns);
  return fmt::format("slow: read of {} ({} bytes at {}) took {} ms: {}", describe_(read.inode), read.bytes, read.offset,
                     total_ns / kNsPerMs, parts);
}

WaitFigures ReadWaits::figures() const {
  WaitFigures sum;
  for (const Block& block : blocks_) {
    for (size_t i = 0; i < kLatencyBuckets; ++i)
      sum.reads_by_us[i] += block.reads_by_us[i].load(std::memory_order_relaxed);
    sum.total_ns += block.total_ns.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kReadStages; ++i) sum.stage_ns[i] += block.stage_ns[i].load(std::memory_order_relaxed);
  }
  sum.slow_ms = slow_ns_ / kNsPerMs;
  sum.slow_reads = slow_reads_.load(std::memory_order_relaxed);
  sum.slow_total_ns = slow_total_ns_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kReadStages; ++i) sum.slow_stage_ns[i] = slow_stage_ns_[i].load(std::memory_order_relaxed);
  return sum;
}

}  // namespace quire
