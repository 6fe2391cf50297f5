// What the figures of epochs say, in sentences. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/epoch.h"

namespace quire::bench {

// What the caches held when an epoch began.
enum class CacheState : uint8_t { kCold, kFound, kWarm };
const char* CacheStateName(CacheState state);  // "cold", "found", "warm"

struct MeasuredEpoch {
  CacheState cache = CacheState::kFound;
  double list_seconds = 0;
  unsigned readers = 1;
  EpochFigures figures = {};
  std::optional<uint64_t> planned_samples = {};  // that the mount was told of; empty without a plan
};

// REQUIRES: not empty.
std::vector<std::string> EpochInsights(const std::vector<MeasuredEpoch>& epochs);

}  // namespace quire::bench
