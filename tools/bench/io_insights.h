// SPDX-License-Identifier: Apache-2.0
// What follows from the figures of `quire bench io`, in numbers and in sentences. A figure that compares has an
// interval of confidence, and what the interval does not decide is a tie. Pure functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/comparison.h"
#include "tools/bench/io_matrix.h"

namespace quire::bench {

// A cost model, or why there is none.
struct Cost {
  std::optional<CostModel> model = {};
  std::optional<Interval> seconds_per_byte = {};
  std::optional<Interval> seconds_per_request = {};  // empty where it is nothing
  std::string why_none = {};
};

// Beyond that the times do not lie on a line, and the model would mislead.
inline constexpr double kMostModelError = 0.25;

// Of a request of N bytes, C = N*U + R, fitted to the random reads of all block sizes.
Cost RequestCost(std::span<const IoResult> results);

// Of a whole file of N bytes that was evicted, fitted to the file classes: R is what opening and closing cost.
Cost FileCost(std::span<const IoResult> results);

// The first of `results` that surely reaches nine tenths of the best: whose rate, in the rounds that both were measured
// in, is at least that of it with confidence. Null where that cannot be told, or for no results.
const IoResult* FirstGoodEnough(std::span<const IoResult* const> results);

// The results of sequential reads of the class that was read at random as well; by ascending block size.
std::vector<const IoResult*> SequentialByBlock(std::span<const IoResult> results);
std::vector<const IoResult*> OfExperiment(std::span<const IoResult> results, IoExperiment experiment);

// Over the rounds.
double MeanRate(const IoResult& result);

// Sentences, the most useful first; each only where its figures are there. `settings`: as they were measured.
std::vector<std::string> IoInsights(std::span<const IoResult> results, const IoSettings& settings);

}  // namespace quire::bench
