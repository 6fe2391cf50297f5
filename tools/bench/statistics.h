// SPDX-License-Identifier: Apache-2.0
// The arithmetic of every figure that `quire bench` prints. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace quire::bench {

// Of repeated measurements of one thing.
struct Summary {
  size_t count = 0;
  double mean = 0;
  double deviation = 0;  // of the sample (divided by count - 1); 0 for a single measurement
  double min = 0;
  double max = 0;
  double median = 0;
};

// All zeros for no values.
Summary Summarize(std::span<const double> values);

// The smallest value that at least `percent` % of all values do not exceed (nearest rank, so it is a value that
// occurred). REQUIRES: `sorted` ascending and not empty, 0 < percent <= 100.
double Percentile(std::span<const double> sorted, double percent);

// The same, where the values suffice for it: where at least ten lie on either side. What fewer tell is their extreme.
std::optional<double> PercentileOf(std::span<const double> sorted, double percent);

// What one request cost.
struct CostPoint {
  double bytes = 0;
  double seconds = 0;
};

// The cost of a request of N bytes, C = N*U + R.
struct CostModel {
  double seconds_per_byte = 0;     // U
  double seconds_per_request = 0;  // R
  double worst_error = 0;          // the largest |model - measured| / measured of the points it was fitted to

  // The request size at which reading takes as long as asking: R / U.
  [[nodiscard]] double break_even_bytes() const { return seconds_per_request / seconds_per_byte; }
};

// Least squares of the relative errors, so that a point of 20 us counts as much as one of 20 ms. Neither U nor R comes
// out negative: where it would, it is 0 and the other is fitted alone. Empty for fewer than two different sizes, and
// where U would be 0.
std::optional<CostModel> FitCost(std::span<const CostPoint> points);

}  // namespace quire::bench
