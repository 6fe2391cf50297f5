// SPDX-License-Identifier: Apache-2.0
// Reads that were not answered from memory at once: how long they took, and where that time went. Slow ones are counted
// apart, and the log names one of them now and then.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "cache/cache_stats.h"
#include "cache/read_times.h"
#include "cache/thread_block.h"
#include "fs/libfuse.h"
#include "fs/trace/read_watch.h"

namespace quire {

struct WaitFigures {
  std::array<uint64_t, kLatencyBuckets> reads_by_us = {};  // by how long they took: cache_stats.h
  uint64_t total_ns = 0;
  std::array<uint64_t, kReadStages> stage_ns = {};
  // Of these, reads that took `slow_ms` or longer; 0: none is called slow.
  uint64_t slow_ms = 0;
  uint64_t slow_reads = 0;
  uint64_t slow_total_ns = 0;
  std::array<uint64_t, kReadStages> slow_stage_ns = {};
};

// "queue", "volume", ...: as figures name the stages.
const char* NameOf(ReadStage stage);

// A read that has ended, by the steady clock.
struct WaitedRead {
  fuse_ino_t inode = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t began_ns = 0;
  uint64_t ended_ns = 0;
  ReadTimes times;
  std::optional<WatchedRead> watched = {};  // while somebody looks
};

// Any thread may call anything. Counting takes no lock; the line of the log is written by the thread that was slow.
class ReadWaits {
 public:
  static constexpr std::chrono::seconds kBetweenLines{10};

  // `slow`: what takes so long is slow; 0: nothing is. `is_far`: what is read lies behind a network. `describe` names
  // an inode for messages, and must outlive this.
  ReadWaits(std::chrono::milliseconds slow, bool is_far, std::function<std::string(fuse_ino_t)> describe)
      : slow_ns_(static_cast<uint64_t>(std::chrono::nanoseconds(slow).count())),
        is_far_(is_far),
        describe_(std::move(describe)) {}

  // Never throws: a line that cannot be made is lost.
  void Count(const WaitedRead& read) noexcept;

  [[nodiscard]] WaitFigures figures() const;

 private:
  struct alignas(kThreadBlockAlign) Block {
    std::array<std::atomic<uint64_t>, kLatencyBuckets> reads_by_us = {};
    std::atomic<uint64_t> total_ns = 0;
    std::array<std::atomic<uint64_t>, kReadStages> stage_ns = {};
  };

  void CountSlow(const WaitedRead& read);
  void Log(const WaitedRead& read);
  [[nodiscard]] std::string Describe(const WaitedRead& read) const;

  const uint64_t slow_ns_;
  const bool is_far_;
  const std::function<std::string(fuse_ino_t)> describe_;
  std::array<Block, kThreadBlocks> blocks_;
  std::atomic<uint64_t> slow_reads_ = 0;
  std::atomic<uint64_t> slow_total_ns_ = 0;
  std::array<std::atomic<uint64_t>, kReadStages> slow_stage_ns_ = {};
  std::atomic<uint64_t> next_line_ns_ = 0;  // nothing is logged before
  std::atomic<uint64_t> untold_ = 0;        // slow reads since the last line
};

}  // namespace quire
