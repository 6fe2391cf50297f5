// SPDX-License-Identifier: Apache-2.0
// The arithmetic behind a chart: where values lie on an axis, which of them are marked, and how a value is written.
// Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace quire::bench {

enum class Scale : uint8_t { kLinear, kLog2, kLog10 };
enum class Unit : uint8_t { kNumber, kBytes, kBytesPerSecond, kPerSecond, kSeconds, kPercent };

// Where values of one axis lie, and which are marked.
struct AxisScale {
  Scale scale = Scale::kLinear;
  double low = 0;  // the first and last value that the axis shows; both are ticks on a linear axis
  double high = 1;
  std::vector<double> ticks = {};  // ascending

  // 0 at low, 1 at high, clamped to these. REQUIRES: not NaN.
  [[nodiscard]] double Place(double value) const;
};

// A scale that shows [low, high] with at most `most_ticks` ticks at round values (1, 2 or 5 times a power of ten;
// powers of two for kLog2, of ten for kLog10). Linear scales show zero, and start there unless they go below.
// Logarithmic ones start and end at a power; values that they cannot show, low <= 0, are taken as the smallest positive
// one that keeps the axis within six decades. Magnitudes are taken as within 1e-300 to 1e300. REQUIRES: low <= high,
// both finite; most_ticks >= 3.
AxisScale FitScale(Scale scale, double low, double high, size_t most_ticks);

// Three digits that count: 1.2e-3 s -> "1.2 ms", 65536 bytes -> "64 KiB", 1.5e9 B/s -> "1.5 GB/s", 12345 /s ->
// "12.3k/s", 0.42 -> "42 %". "n/a" for what is not finite.
std::string FormatValue(double value, Unit unit);

}  // namespace quire::bench
