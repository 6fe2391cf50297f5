// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/utilisation.h"

#include <algorithm>
#include <cassert>

namespace quire::bench {

Utilisation Account(const EpochTimes& times, double step_seconds, uint64_t skipped) {
  const size_t steps = times.step_ends.size();
  const size_t accelerators = times.arrivals.size();
  assert(skipped >= 1 && steps > skipped && accelerators >= 1 && times.computeds.size() == accelerators);
  Utilisation use{.steps = steps - skipped,
                  .nominal_seconds = static_cast<double>(steps - skipped) * step_seconds,
                  .begin_seconds = times.step_ends[skipped - 1],
                  .wall_seconds = times.step_ends.back() - times.step_ends[skipped - 1],
                  .all_wall_seconds = times.step_ends.back() - times.begin,
                  .all_nominal_seconds = static_cast<double>(steps) * step_seconds};
  use.stalls.reserve((steps - skipped) * accelerators);
  const auto share = 1 / static_cast<double>(accelerators);
  for (size_t accelerator = 0; accelerator < accelerators; ++accelerator) {
    double stalled = 0;
    for (size_t step = skipped; step < steps; ++step) {
      const double arrival = times.arrivals[accelerator][step];
      const double computed = times.computeds[accelerator][step];
      use.stalls.push_back(arrival - times.step_ends[step - 1]);
      stalled += use.stalls.back();
      use.overshoot_seconds += share * (computed - arrival - step_seconds);
      use.barrier_seconds += share * (times.step_ends[step] - computed);
    }
    use.stall_seconds += share * stalled;
    use.accelerator_stall_seconds.push_back(stalled);
  }
  std::ranges::sort(use.stalls);
  return use;
}

Utilisation Pool(std::span<const Utilisation> epochs) {
  assert(!epochs.empty());
  Utilisation all;
  all.begin_seconds = epochs.front().begin_seconds;
  all.accelerator_stall_seconds.resize(epochs.front().accelerator_stall_seconds.size());
  for (const Utilisation& epoch : epochs) {
    all.steps += epoch.steps;
    all.nominal_seconds += epoch.nominal_seconds;
    all.wall_seconds += epoch.wall_seconds;
    all.all_wall_seconds += epoch.all_wall_seconds;
    all.all_nominal_seconds += epoch.all_nominal_seconds;
    all.stall_seconds += epoch.stall_seconds;
    all.overshoot_seconds += epoch.overshoot_seconds;
    all.barrier_seconds += epoch.barrier_seconds;
    for (size_t i = 0; i < all.accelerator_stall_seconds.size(); ++i)
      all.accelerator_stall_seconds[i] += epoch.accelerator_stall_seconds[i];
    all.stalls.insert(all.stalls.end(), epoch.stalls.begin(), epoch.stalls.end());
  }
  std::ranges::sort(all.stalls);
  return all;
}

}  // namespace quire::bench
