// SPDX-License-Identifier: Apache-2.0
// One epoch of a loader: readers that claim batches of samples in a given order and read them whole.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tools/bench/sample_store.h"
#include "tools/bench/storage_watch.h"

namespace quire::bench {

struct EpochSettings {
  unsigned readers = 1;      // 1 to kMaxReaders
  bool processes = false;    // readers are processes, as those of torch's DataLoader; else threads
  unsigned batch = 32;       // samples that a reader claims at a time
  double limit_seconds = 0;  // claim no further batch after this time; 0: no limit
  const std::atomic<bool>* interrupted = nullptr;  // when set, the epoch ends soon, with kInterrupted
  // Runs on a thread of its own, which starts just before the readers and is stopped and awaited after their end.
  std::function<void(const std::stop_token&)> beside = {};
};

inline constexpr unsigned kMaxReaders = 256;

struct EpochFigures {
  uint64_t samples = 0;  // that were read
  uint64_t bytes = 0;
  uint64_t failures = 0;           // samples that could not be read; not in `samples`
  std::string first_failure = {};  // why, for one of them
  bool complete = false;           // every sample of the order was claimed before the limit
  double seconds = 0;              // from the start of the first reader to the end of the last
  double open_seconds = 0;         // of all readers: the part of their time that StoreReader::open_seconds tells
  double reader_cpu_seconds = 0;   // user and system time of all readers
  // That all readers were ready to run and had no core (/proc/PID/schedstat); empty where the kernel does not tell.
  std::optional<double> run_queue_seconds = {};
  Spent spent = {};                          // below the store, meanwhile
  std::vector<double> latency_seconds = {};  // of each sample read, ascending
  // Samples a second in each tenth of what was read, in the order of reading: how steady the rate was. Empty for fewer
  // than 200 samples.
  std::vector<double> piece_rates = {};

  [[nodiscard]] double samples_per_second() const { return seconds > 0 ? static_cast<double>(samples) / seconds : 0; }
  [[nodiscard]] double bytes_per_second() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
  // A percentile of latency_seconds; empty where these do not suffice for it (statistics.h).
  [[nodiscard]] std::optional<double> latency_at(double percent) const;
};

// Reads the samples of `order` from `store`. The readers open the store, wait for each other, and then start at once:
// opening the store is not measured. `watch`: of what lies below the store.
// Fails when a reader could not start or died; a sample that cannot be read is a figure.
Result<EpochFigures> RunEpoch(const SampleStore& store, std::span<const uint64_t> order, const EpochSettings& settings,
                              const StorageWatch& watch);

}  // namespace quire::bench
