// What the figures of epochs say, in sentences. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/epoch.h"

namespace quire::bench {

// What was done before an epoch. What that came to is another thing: ServedFrom.
enum class Prepared : uint8_t { kDropped, kNothing, kAfterEpoch };
const char* PreparedName(Prepared prepared);  // "caches dropped", "nothing", "an epoch before"

struct MeasuredEpoch {
  Prepared prepared = Prepared::kNothing;
  ServedFrom from = ServedFrom::kUnknown;
  double list_seconds = 0;
  unsigned readers = 1;
  EpochFigures figures = {};
  std::optional<uint64_t> planned_samples = {};  // that the mount was told of; empty without a plan
};

// "cold"; "37 % cold" where some came from below.
std::string LabelOf(const MeasuredEpoch& epoch);

// `watch`: of what was measured. REQUIRES: not empty.
std::vector<std::string> EpochInsights(const std::vector<MeasuredEpoch>& epochs, const StorageWatch& watch);

}  // namespace quire::bench
