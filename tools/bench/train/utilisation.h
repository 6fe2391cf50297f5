// SPDX-License-Identifier: Apache-2.0
// How much of their time accelerators computed, and what the rest went to: arithmetic on times that were noted. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quire::bench {

// When things happened in one epoch, in seconds of one clock. An accelerator waits for its batch, computes, and waits
// at a barrier for all others, as gradients do.
struct EpochTimes {
  double begin = 0;                                 // before the workers were started
  std::vector<double> step_ends = {};               // all accelerators had come to the barrier
  std::vector<std::vector<double>> arrivals = {};   // [accelerator][step]: the batch was there
  std::vector<std::vector<double>> computeds = {};  // [accelerator][step]: the computation had ended
};

// Of one epoch or several. The first steps of each do not count.
struct Utilisation {
  uint64_t steps = 0;          // that count
  double nominal_seconds = 0;  // steps times what an accelerator computes for one
  double begin_seconds = 0;    // the end of the last step that does not count, in the clock of EpochTimes; of the first
  double wall_seconds = 0;     // from there to the last barrier
  double all_wall_seconds = 0;  // from before the workers were started
  double all_nominal_seconds = 0;
  // What an accelerator lost on average; these four and the nominal time are the wall time.
  double stall_seconds = 0;      // waiting for its own batches
  double overshoot_seconds = 0;  // computing longer than nominal: the sleep that stands for it ended late
  double barrier_seconds = 0;    // waiting for the slowest
  std::vector<double> accelerator_stall_seconds = {};  // of each accelerator
  std::vector<double> stalls = {};                     // of each step and accelerator, seconds, ascending

  // AU: 0 to 1, a little above where clocks jitter.
  [[nodiscard]] double au() const { return wall_seconds > 0 ? nominal_seconds / wall_seconds : 0; }
  // The same with the start of the workers and the steps that do not count, and what else was added to
  // all_wall_seconds.
  [[nodiscard]] double whole_au() const { return all_wall_seconds > 0 ? all_nominal_seconds / all_wall_seconds : 0; }
};

// Leaves out the first `skipped` steps: those whose batches were read ahead at the start, and did not keep up with
// anything. REQUIRES: at least one accelerator; each has an arrival and a computed time for each of
// step_ends, more than skipped; skipped >= 1.
Utilisation Account(const EpochTimes& times, double step_seconds, uint64_t skipped);

// Of all epochs together. REQUIRES: at least one, all of as many accelerators.
Utilisation Pool(std::span<const Utilisation> epochs);

}  // namespace quire::bench
