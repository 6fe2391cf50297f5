// SPDX-License-Identifier: Apache-2.0
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

// What twice as many readers came to: an epoch in pieces, which so many readers and twice as many read in turn.
struct MoreReaders {
  unsigned readers = 1;  // of the fewer
  ServedFrom from = ServedFrom::kUnknown;
  std::vector<double> fewer_rates = {};  // samples a second, of each pair of pieces
  std::vector<double> more_rates = {};
};

// Whether they helped, with its interval.
std::string MoreReadersInsight(const MoreReaders& more);

// "cold"; "37 % cold" where some came from below.
std::string LabelOf(const MeasuredEpoch& epoch);

// `watch`: of what was measured. REQUIRES: not empty.
std::vector<std::string> EpochInsights(const std::vector<MeasuredEpoch>& epochs, const StorageWatch& watch);

}  // namespace quire::bench
