// What follows from the figures of `quire bench io`, in numbers and in sentences. Pure functions, any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/io_matrix.h"

namespace quire::bench {

// Of a request of N bytes, C = N*U + R, fitted to the random reads of all block sizes.
std::optional<CostModel> RequestCost(std::span<const IoResult> results);

// Of a whole file of N bytes that is not cached, fitted to the file classes: R is what opening and closing cost.
std::optional<CostModel> FileCost(std::span<const IoResult> results);

// The results of one experiment with threads, in the form of the scaling functions.
std::vector<ThreadPoint> ThreadPoints(std::span<const IoResult> results);

// The smallest block that reaches 90 % of the best rate; null for no results.
const IoResult* SmallestGoodBlock(std::span<const IoResult* const> results);

// The results of sequential reads of the class that was read at random as well, and of random reads with the largest
// count; each by ascending block size.
std::vector<const IoResult*> SequentialByBlock(std::span<const IoResult> results);
std::vector<const IoResult*> RandomByBlock(std::span<const IoResult> results);

// Sentences, the most useful first; each only where its figures are there.
// `watch`: of what was read.
std::vector<std::string> IoInsights(std::span<const IoResult> results, const StorageWatch& watch);

}  // namespace quire::bench
