// SPDX-License-Identifier: Apache-2.0
// How much memory this process could still use now, and whether memory is short: for callers that ask many times a
// second. What it reads are small files of the kernel, which it finds once and keeps open.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// Thread-safe. Nothing here throws, and after Create nothing allocates memory, except once each time that the process
// came into another control group.
class MemoryGauge {
 public:
  using Clock = std::chrono::steady_clock;

  // Finds the files and reads them once. An error where not even MemAvailable can be read, or where there are no file
  // descriptors: the gauge keeps up to 6 for each control group of the process (at most kMaxMemoryGroups count), and 3.
  // For tests, `root` is prepended to /proc and to where control groups are mounted, and `now` replaces the clock.
  static Result<std::unique_ptr<MemoryGauge>> Create(const std::string& root = "",
                                                     Clock::time_point (*now)() = Clock::now);
  MemoryGauge(const MemoryGauge&) = delete;
  MemoryGauge& operator=(const MemoryGauge&) = delete;

  // Reads how many bytes more this process could use now, page cache that it would displace included: the smallest of
  // MemAvailable and, for every control group of the process up to the root, its limit less what it holds besides
  // cached files. What cannot be read does not limit; 0 where not even MemAvailable can be read. 4 us of processor time
  // on Linux 6.18 and 5 us more for each group that has a limit: for a hundred times a second, not for every request.
  uint64_t ReadAvailable();
  // What ReadAvailable (or Create) found last: one relaxed load.
  [[nodiscard]] uint64_t available() const { return available_bytes_.load(std::memory_order_relaxed); }

  // Whether memory is so short that what can be given back should be: tasks have to wait for memory, and it is really
  // in use, not only full of cached files. The .cc argues the thresholds. Reads all that ReadAvailable reads, and the
  // kernel's pressure stall information (PSI); without PSI, what is available decides alone.
  bool IsUnderPressure();

  // Whether a control group of this process has run into a memory limit since the last call (or Create). That alone is
  // no pressure: cached files fill every group up to its limit, and the kernel then counts each time that it drops
  // some.
  bool HasHitLimit();

 private:
  // A control group's files. A file that is not open does not exist or could not be read when the groups were found.
  struct Group {
    std::array<File, 2> limits;
    File used;
    File statistics;
    File limit_hits;
    File pressure;
    bool is_v2 = false;
  };
  struct Files {
    File machine;   // /proc/meminfo
    File pressure;  // /proc/pressure/memory
    File own_groups;
    std::string own_groups_text;  // what it said when `groups` were found
    std::vector<Group> groups;
  };
  // What one reading of all files gave.
  struct Reading {
    uint64_t available_bytes = 0;
    // The machine or the group that has the smallest share of its memory left: that share.
    uint64_t least_left_percent = 100;
    bool is_complete = true;  // no file failed that could be read before
  };

  MemoryGauge(std::string root, Clock::time_point (*now)());

  static Result<Files> FindFiles(const std::string& root);
  static Result<Group> OpenGroup(const std::string& folder, bool is_v2, std::span<const char* const> limit_files);

  Reading ReadLocked() QUIRE_REQUIRES(mutex_);
  Reading ReadOnceLocked() const QUIRE_REQUIRES(mutex_);
  void FindAgainLocked() QUIRE_REQUIRES(mutex_);
  [[nodiscard]] bool WasMovedLocked() const QUIRE_REQUIRES(mutex_);
  [[nodiscard]] std::optional<uint64_t> ReadStallLocked() const QUIRE_REQUIRES(mutex_);
  [[nodiscard]] uint64_t CountLimitHitsLocked() const QUIRE_REQUIRES(mutex_);

  const std::string root_;
  Clock::time_point (*const now_)();
  std::atomic<uint64_t> available_bytes_ = 0;

  Mutex mutex_;  // held while files are read
  Files files_ QUIRE_GUARDED_BY(mutex_);
  Clock::time_point looked_for_move_at_ QUIRE_GUARDED_BY(mutex_);
  uint64_t limit_hits_ QUIRE_GUARDED_BY(mutex_) = 0;
};

}  // namespace quire
