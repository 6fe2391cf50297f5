// SPDX-License-Identifier: Apache-2.0
// What the runs of training jobs say, in sentences. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/train/job.h"

namespace quire::bench {

struct FoundAccelerators {
  unsigned accelerators = 0;
  bool may_be_more = false;  // more could not be measured
};

// What was measured on one folder.
struct TrainedJob {
  std::string path;
  uint64_t sample_bytes = 0;  // on average
  bool is_large_enough = false;
  bool in_memory = false;
  bool behind_daemon = false;  // whose memory is emptied by mounting anew alone
  size_t slices = 1;           // of the samples, which trials read one after the other
  unsigned cores = 1;
  std::vector<PlayedRun> runs = {};
  std::optional<FoundAccelerators> found = {};  // where their number was asked for

  // The run that the verdict is about: the last whole one with as many accelerators as were found, else the last.
  [[nodiscard]] const PlayedRun& chosen() const;
};

// Where the time of a run went.
LostTo LossOf(const PlayedRun& run, unsigned cores);

// Why these figures are no verdict about the storage; empty where they are one.
std::string WhyNoVerdict(const TrainedJob& job, const JobSettings& settings);

// REQUIRES: one job or two, each with a run.
std::vector<std::string> TrainInsights(const std::vector<TrainedJob>& jobs, const JobSettings& settings);

}  // namespace quire::bench
