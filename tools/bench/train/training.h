// SPDX-License-Identifier: Apache-2.0
// One epoch of a training job, played: accelerators that sleep for what they would compute, and workers that read for
// them as those of a DataLoader do.
#pragma once

#include <atomic>
#include <span>
#include <string>

#include "tools/bench/sample_store.h"
#include "tools/bench/storage_watch.h"
#include "tools/bench/train/batch_plan.h"
#include "tools/bench/train/lost_time.h"
#include "tools/bench/train/utilisation.h"

namespace quire::bench {

struct TrainingSettings {
  BatchShape shape = {};
  unsigned prefetch = 2;      // batches that a worker reads ahead of its accelerator, the one that it reads included
  double step_seconds = 0;    // that an accelerator computes
  double decode_seconds = 0;  // of processor time that a worker uses for each sample
  double limit_seconds = 0;   // begin no step after this time, when each worker was asked thrice; 0: no limit
  const std::atomic<bool>* interrupted = nullptr;  // when set, the epoch ends within seconds, with kInterrupted
};

inline constexpr unsigned kLeastBatches = 3;   // of a worker, whatever the limit
inline constexpr unsigned kMaxWorkers = 1024;  // of all accelerators: processes
inline constexpr double kMaxStepSeconds = 60;  // more than any step takes that is published

struct TrainingFigures {
  EpochTimes times = {};  // of as many steps as were done
  uint64_t samples = 0;   // that were read, also for batches that were not taken any more
  uint64_t bytes = 0;
  uint64_t failures = 0;           // samples that could not be read; not in `samples`
  std::string first_failure = {};  // why, for one of them
  WorkerTimes workers = {};
  Pressure pressure = {};
  Spent spent = {};  // below the store, meanwhile
};

// What is played: the steps of settings, and behind them those whose batches workers read ahead and no accelerator
// takes, so that up to the last step workers have as much to do as in the middle of an epoch.
BatchShape ShapeWithReadAhead(const TrainingSettings& settings);

// Each accelerator is a thread here, each of its workers a process that reads its batches of `order` in turn: batch i
// comes from worker i mod workers, and the accelerators take them in that order. A worker reads the sample into memory
// that it uses again for the next, so that memory does not grow with batches. After each step all wait for each other,
// and when the last one has ended the workers are stopped. Times begin before they are started. `watch`: of what lies
// below the store. Fails when a worker could not start or died; a sample that cannot be read is a figure.
// REQUIRES: order has at least ShapeWithReadAhead().samples(); accelerators * workers <= kMaxWorkers;
// step_seconds <= kMaxStepSeconds.
Result<TrainingFigures> RunTraining(const SampleStore& store, std::span<const uint64_t> order,
                                    const TrainingSettings& settings, const StorageWatch& watch);

}  // namespace quire::bench
