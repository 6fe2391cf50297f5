// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace quire::bench {

Summary Summarize(std::span<const double> values) {
  if (values.empty()) return {};
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const size_t count = sorted.size();
  const double mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(count);
  double squares = 0;
  for (const double value : sorted) squares += (value - mean) * (value - mean);
  return {.count = count,
          .mean = mean,
          .deviation = count > 1 ? std::sqrt(squares / static_cast<double>(count - 1)) : 0,
          .min = sorted.front(),
          .max = sorted.back(),
          .median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2};
}

double Percentile(std::span<const double> sorted, double percent) {
  assert(!sorted.empty() && percent > 0 && percent <= 100);
  const auto count = static_cast<double>(sorted.size());
  // 99.9 / 100 is not exact: what lies a rounding error above a whole rank is that rank.
  const double rank = std::ceil(percent / 100 * count - 1e-9 * count);
  return sorted[static_cast<size_t>(std::clamp(rank, 1.0, count)) - 1];
}

std::optional<double> PercentileOf(std::span<const double> sorted, double percent) {
  // Ten values scatter by a third of their number: the percentile itself by no more than its neighbours do.
  constexpr double kLeastBeyond = 10;
  const double beyond = std::min(percent, 100 - percent) / 100 * static_cast<double>(sorted.size());
  if (beyond < kLeastBeyond - 1e-9) return std::nullopt;  // 0.1 % of 10,000 is a little less than 10 in binary
  return Percentile(sorted, percent);
}

std::optional<CostModel> FitCost(std::span<const CostPoint> points) {
  // Minimises sum(((U*n + R) / t - 1)^2): linear in U and R with x = n/t and y = 1/t, target 1.
  double xx = 0;
  double xy = 0;
  double yy = 0;
  double x_sum = 0;
  double y_sum = 0;
  for (const auto& [bytes, seconds] : points) {
    const double x = bytes / seconds;
    const double y = 1 / seconds;
    xx += x * x;
    xy += x * y;
    yy += y * y;
    x_sum += x;
    y_sum += y;
  }
  const auto same_size = [&](const CostPoint& point) { return point.bytes == points.front().bytes; };
  if (points.empty() || std::ranges::all_of(points, same_size)) return std::nullopt;
  const double determinant = xx * yy - xy * xy;
  CostModel model{.seconds_per_byte = (x_sum * yy - y_sum * xy) / determinant,
                  .seconds_per_request = (y_sum * xx - x_sum * xy) / determinant};
  if (model.seconds_per_byte <= 0) return std::nullopt;
  if (model.seconds_per_request < 0) model = {.seconds_per_byte = x_sum / xx, .seconds_per_request = 0};
  for (const auto& [bytes, seconds] : points) {
    const double predicted = bytes * model.seconds_per_byte + model.seconds_per_request;
    model.worst_error = std::max(model.worst_error, std::abs(predicted / seconds - 1));
  }
  return model;
}

}  // namespace quire::bench
