// SPDX-License-Identifier: Apache-2.0
// What came between two looks at a mount. Of documents of other releases and of mounts that tell less, what is not told
// is 0 or not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/json_text.h"

namespace quire {

struct MountLook {
  Json stats;     // `.quire/stats`
  Json activity;  // `.quire/activity`; null where it is not told
};

// Bytes by where they came from.
struct LevelRate {
  std::string name;  // "kernel", "memory", "tier", "peers", "disk" or "network"
  double bytes_per_s = 0;
  std::optional<double>
      hits;  // the part that it answered of what it was asked for, of the kernel what was read; 0 to 1
};

struct LatencyRate {
  std::string name;  // of an operation of FUSE, "wait" (reads that waited), "fill" or "network"
  double per_s = 0;
  // Below which half and 99 of 100 are, as far as the ranges of the document tell; 0 where there was none.
  double p50_us = 0;
  double p99_us = 0;
};

struct ReadRate {
  double reads_per_s = 0;
  double files_per_s = 0;  // samples that were begun
  double bytes_per_s = 0;

  ReadRate& operator+=(const ReadRate& other);
};

struct ThreadRate {
  uint64_t thread = 0;  // 0: it is not known
  ReadRate rate;
};

struct FolderRate {
  std::string path;  // any bytes; "" is the mount's root
  ReadRate rate;
};

struct MountRates {
  double uptime_s = 0;
  bool is_activity_told = false;
  ReadRate answered = {};  // by the daemon; without activity no files, and bytes as the cache counts them
  std::vector<LevelRate> levels = {};
  std::vector<LatencyRate> latencies = {};
  // The most reads first, of those that read at all.
  std::vector<ThreadRate> threads = {};
  std::vector<FolderRate> folders = {};
  uint64_t pid_namespace = 0;  // in which threads have these numbers; 0: not known

  double pushed_per_s = 0;  // samples
  double dropped_per_s = 0;
  std::optional<double> push_yield = {};  // the part of what was pushed that was read, as far as was found out so far
  bool is_push_paused = false;
  bool is_memory_short = false;
  double swept_pages_per_s = 0;
  double prefetched_pages_per_s = 0;
  double wasted_pages_per_s = 0;
  double filled_pages_per_s = 0;

  uint64_t waiting = 0;  // reads, now
  uint64_t slow = 0;     // since the last look, as the two below
  uint64_t failed = 0;
  uint64_t wrong = 0;                               // sums that did not match
  std::optional<uint64_t> requests_in_flight = {};  // of the network
  uint64_t window = 0;
  uint64_t plan_left = 0;
};

// `seconds` lie between both looks. A mount that was made anew in between has all its figures since then.
MountRates RatesBetween(const MountLook& before, const MountLook& after, double seconds);

}  // namespace quire
