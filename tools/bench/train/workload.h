// SPDX-License-Identifier: Apache-2.0
// What one accelerator asks of its storage: so many samples, and then so long a time in which it asks for nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quire::bench {

struct Workload {
  std::string name;
  unsigned batch = 0;         // samples of one step
  double step_seconds = 0;    // that an accelerator computes for a step
  uint64_t sample_bytes = 0;  // of the samples that these times were measured with; 0: not known

  [[nodiscard]] double samples_per_second() const { return batch / step_seconds; }
};

// Times of an NVIDIA H100, which MLPerf Storage 1.0 and 2.0 reckon with too.
std::vector<std::string> WorkloadNames();
std::optional<Workload> FindWorkload(std::string_view name);

// The part of its time that an accelerator must compute for the storage to pass: that of MLPerf Storage for all
// workloads named here.
inline constexpr double kPassingUtilisation = 0.9;

}  // namespace quire::bench
