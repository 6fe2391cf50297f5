// SPDX-License-Identifier: Apache-2.0
// A training job over one folder, and the runs of it that are played and compared.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/experiment.h"
#include "tools/bench/train/data_size.h"
#include "tools/bench/train/record_store.h"
#include "tools/bench/train/training.h"
#include "tools/bench/train/workload.h"

namespace quire::bench {

struct JobSettings {
  Workload workload = {};
  unsigned workers = 8;  // of each accelerator
  unsigned prefetch = 2;
  double decode_seconds = 0;
  unsigned epochs = 5;         // that are counted, behind one that warms up
  uint64_t steps = 500;        // of an epoch, that count
  uint64_t trial_steps = 100;  // that count of the one epoch of a trial
  double ceiling_seconds = 1;  // for which the harness reads from memory
  uint64_t seed = 1;           // of the first order; each one after it has another
  uint64_t record_bytes = 0;   // 0: samples are files
  bool allow_cached = false;
  bool drops_caches = false;  // before each run
  std::string remount = {};   // a shell's command that takes the storage down and mounts it again; before each run
  StoreOpener open = OpenStore;
  const std::atomic<bool>* interrupted = nullptr;
};

struct PlayedEpoch {
  Utilisation use = {};
  double seconds = 0;  // all of it, from the shuffling on
  uint64_t samples = 0;
  uint64_t bytes = 0;
  uint64_t failures = 0;
  std::string first_failure = {};
  WorkerTimes workers = {};
  Pressure pressure = {};
  Spent spent = {};
};
PlayedEpoch operator+(const PlayedEpoch& a, const PlayedEpoch& b);

// One number of accelerators on one folder.
struct PlayedRun {
  unsigned accelerators = 0;
  bool is_whole = false;  // one epoch that warms up, and then those that count; else a trial of one short epoch
  double list_seconds = 0;
  std::vector<PlayedEpoch> epochs = {};   // that count
  double ceiling_samples_per_second = 0;  // of this harness, with as many accelerators and samples made in memory

  // All epochs as one, with the listing before them in all_wall_seconds.
  [[nodiscard]] PlayedEpoch Sum() const;
  [[nodiscard]] bool has_passed() const;
  // Over the time that counts.
  [[nodiscard]] double samples_per_second(unsigned batch) const;
};

// The part of what was read that came from memory, 0 to 1; empty where nothing counts it.
std::optional<double> FromMemory(const PlayedEpoch& epoch, bool in_memory);

// Whether a rate is so near to what the harness itself reaches that the machine it runs on may be what limits it.
bool IsHostLimited(double samples_per_second, double ceiling_samples_per_second);

// For one thread.
class TrainJob {
 public:
  // Finds the samples and looks at their sizes. Fails where they are too few for a step, or where memory may hold them
  // and settings do not allow it.
  static Result<TrainJob> Open(const std::string& path, const JobSettings& settings);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const StorageWatch& watch() const { return watch_; }
  [[nodiscard]] const DataSize& data() const { return data_; }
  [[nodiscard]] const MemoryLimit& memory() const { return memory_; }
  [[nodiscard]] bool is_large_enough() const { return data_.bytes / kTimesMemory >= memory_.bytes; }
  // Trials read one after the other of so many parts of the samples.
  [[nodiscard]] size_t slices() const { return slice_begins_.size() - 1; }
  // REQUIRES: not closed.
  [[nodiscard]] uint64_t samples() const { return store_->sample_count(); }
  [[nodiscard]] uint64_t mean_sample_bytes() const { return sample_bytes_; }

  // Finds the samples anew, as a job does at its start. Returns the seconds that took.
  Result<double> List();
  // Lets go of the storage, so that it can be unmounted.
  void Close() { store_.reset(); }
  // Takes hold of it again, and looks at what lies below it now: another daemon. REQUIRES: List is called before
  // epochs.
  Result<void> Reopen();
  // From now on all samples are read, or those of the next slice.
  void TakeAll() { taken_ = std::nullopt; }
  void TakeNextSlice() { taken_ = next_slice_++ % slices(); }
  // Plays `steps` that count, behind as many as workers may read ahead: the batches of those were read before any
  // accelerator computed, or while none waited, and are no measure of what comes after them.
  Result<PlayedEpoch> PlayEpoch(unsigned accelerators, uint64_t steps);
  // Samples a second of the harness by itself.
  [[nodiscard]] Result<double> MeasureCeiling(unsigned accelerators) const;

 private:
  TrainJob(std::string path, JobSettings settings) : path_(std::move(path)), settings_(std::move(settings)) {}

  Result<void> MeasureData();
  [[nodiscard]] TrainingSettings SettingsFor(unsigned accelerators, uint64_t steps) const;
  [[nodiscard]] std::vector<uint64_t> NextOrder(const BatchShape& shape);

  std::string path_;
  JobSettings settings_;
  std::unique_ptr<SampleStore> store_;
  const RecordStore* records_ = nullptr;  // the same store, where samples are records
  StorageWatch watch_;
  DataSize data_;
  MemoryLimit memory_;
  uint64_t sample_bytes_ = 0;
  std::vector<uint64_t> slice_begins_;  // samples, or shards where samples are records
  std::optional<size_t> taken_;         // the slice that is read; empty: all
  size_t next_slice_ = 0;
  uint64_t listed_samples_ = 0;
  uint64_t orders_ = 0;  // that were drawn
};

// Plays a run of each job: before, it is mounted anew and caches are dropped where settings say so, and then epoch
// after epoch one of each, the last one first in every second. A trial reads the next slice of the samples. REQUIRES:
// accelerators * settings.workers <= kMaxWorkers.
Result<std::vector<PlayedRun>> PlayRuns(std::span<TrainJob> jobs, const JobSettings& settings, unsigned accelerators,
                                        bool is_whole);

}  // namespace quire::bench
