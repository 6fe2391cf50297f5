// SPDX-License-Identifier: Apache-2.0
// Where the bytes that a measurement was served came from. What was done to caches beforehand does not tell: dropping
// them leaves the memory of a FUSE daemon as it is, a second epoch may find nothing of the first, and a loop device may
// read a file that is cached. So the figures count what came from below the caches, and their label follows from that.
#pragma once

#include <sys/types.h>

#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/result.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {

// What came from below all caches: from a disk, or over the network.
struct Fetched {
  std::optional<uint64_t> bytes = {};  // empty where nothing counts them
  bool at_least = false;               // the counter may miss some
};

// Adds up what several measurements fetched; what one of them does not know, the sum does not.
Fetched operator+(const Fetched& a, const Fetched& b);

enum class ServedFrom : uint8_t {
  kBelow,    // nine tenths of the bytes at least came from below
  kPartly,   // some did
  kCaches,   // none, but for a fiftieth: what other things than the samples are read with them
  kMemory,   // the storage lies in memory: there is nothing below
  kUnknown,  // nothing counts
};

// "cold", "partly cold", "warm", "memory", "unknown".
const char* ServedFromName(ServedFrom from);

// The label of a measurement that was served `served_bytes`.
ServedFrom JudgeBytes(const Fetched& fetched, uint64_t served_bytes, bool in_memory);
// The label of one that asked for names and attributes, whose bytes nobody counts: cold when anything came from below.
ServedFrom JudgeNames(const Fetched& fetched, bool in_memory);

// What a measurement cost below the file system. Of a FUSE daemon; empty where none is seen.
struct Spent {
  Fetched fetched = {};
  std::optional<double> daemon_cpu_seconds = {};
  std::optional<double> daemon_busiest_seconds = {};    // that the busiest of its threads had a core, or wanted one
  std::optional<double> daemon_run_queue_seconds = {};  // that its threads wanted a core and had none, added up
};
// Of two measurements one after the other.
Spent operator+(const Spent& a, const Spent& b);

// Counts for one path. Thread-safe.
class StorageWatch {
 public:
  // Looks once at what lies below `path`. Never fails: what cannot be found out is told by why_no_bytes and why_no_cpu.
  enum class Asked : uint8_t { kSamples, kNames };
  static StorageWatch Of(const std::string& path, Asked asked = Asked::kSamples);
  // Of nothing: for stores that lie nowhere.
  StorageWatch() = default;

  class Mark {
    friend class StorageWatch;
    std::vector<std::optional<uint64_t>> counts_;
    std::optional<double> cpu_seconds_;
    std::map<pid_t, ThreadTimes> threads_;
  };
  [[nodiscard]] Mark Now() const;
  [[nodiscard]] Spent Since(const Mark& mark) const;

  [[nodiscard]] bool in_memory() const { return in_memory_; }
  // Whether a FUSE daemon lies between, whose memory drop_caches and posix_fadvise leave as it is.
  [[nodiscard]] bool behind_daemon() const { return behind_daemon_; }
  [[nodiscard]] std::span<const pid_t> daemons() const { return daemons_; }
  // Whether a loop device lies between whose file the kernel caches.
  [[nodiscard]] bool behind_cached_loop() const { return behind_cached_loop_; }
  // "I/O of the readers", "reads of /dev/vda, whoever asked"; empty where nothing counts.
  [[nodiscard]] const std::string& counted_by() const { return counted_by_; }
  [[nodiscard]] const std::string& why_no_bytes() const { return why_no_bytes_; }  // empty where bytes are counted
  [[nodiscard]] const std::string& why_no_cpu() const { return why_no_cpu_; }      // empty where there is no daemon too

 private:
  using Counter = std::function<std::optional<uint64_t>()>;

  enum class Reader : uint8_t { kThisProcess, kDaemon };
  void LookBelow(const std::string& path, Reader reader, int depth);
  void LookBelowDaemon(const std::string& path, const std::string& type, const std::string& source, int depth);
  void LookBelowDevice(dev_t device, Reader reader, int depth);
  void Count(Counter counter, const std::string& by, bool at_least = false);

  // Each counts at least what came from below, so the least is the best; but those that may miss some are only there
  // where there are no others.
  std::vector<Counter> counters_;
  Asked asked_ = Asked::kSamples;
  bool at_least_ = false;
  std::vector<pid_t> daemons_;
  bool in_memory_ = false;
  bool behind_daemon_ = false;
  bool behind_cached_loop_ = false;
  std::string counted_by_;
  std::string why_no_bytes_ = "nothing was looked at";
  std::string why_no_cpu_;
};

// Bytes that NFS has read from the server for the mount at `mount_point`, of `mount_stats` in the form of
// /proc/self/mountstats; empty where it is not among them.
std::optional<uint64_t> NfsBytesRead(std::istream& mount_stats, const std::string& mount_point);

}  // namespace quire::bench
