// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/workload.h"

#include <algorithm>
#include <array>

namespace quire::bench {
namespace {

struct Preset {
  const char* name;
  unsigned batch;
  double step_seconds;
  uint64_t sample_bytes;
};

// resnet50: 1,786 samples a second, 205 MB/s. unet3d: 21.7 samples a second, 3.2 GB/s.
constexpr std::array<Preset, 2> kPresets = {{{"resnet50", 400, 0.224, 115'000}, {"unet3d", 7, 0.323, 147'000'000}}};

}  // namespace

std::vector<std::string> WorkloadNames() {
  std::vector<std::string> names;
  names.reserve(kPresets.size());
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

std::optional<Workload> FindWorkload(std::string_view name) {
  const auto* const found = std::ranges::find_if(kPresets, [&](const Preset& preset) { return preset.name == name; });
  if (found == kPresets.end()) return std::nullopt;
  return Workload{.name = found->name,
                  .batch = found->batch,
                  .step_seconds = found->step_seconds,
                  .sample_bytes = found->sample_bytes};
}

}  // namespace quire::bench
