// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace quire::bench {
namespace {

// Beyond these, differences and quotients of what an axis shows could overflow.
constexpr double kSmallest = 1e-300;
constexpr double kLargest = 1e300;

constexpr double kMostDecadesFactor = 1e6;  // of a logarithmic axis whose low is not positive

// `count` times `digit` times ten to the `power`. Divides below one: 3 / 10 is the double nearest to 0.3, 3 * 0.1 is
// not.
double RoundValue(double count, int digit, int power) {
  return power >= 0 ? count * digit * std::pow(10, power) : count * digit / std::pow(10, -power);
}

AxisScale FitLinear(double low, double high, size_t most_ticks) {
  low = std::clamp(low, -kLargest, 0.0);
  high = std::clamp(high, 0.0, kLargest);
  if (high - low < kSmallest) high = 1;
  const auto most = static_cast<double>(most_ticks);
  // No smaller step can do: n ticks span n - 1 steps.
  for (int power = static_cast<int>(std::floor(std::log10((high - low) / (most - 1))));; ++power) {
    for (const int digit : {1, 2, 5}) {
      const auto value = [&](double count) { return RoundValue(count, digit, power); };
      double first = std::floor(low / value(1));
      double last = std::ceil(high / value(1));
      // 1.1 / 0.1 is a little above 11.
      if (value(first + 1) <= low) ++first;
      if (value(last - 1) >= high) --last;
      if (last - first + 1 > most) continue;
      AxisScale fitted{.scale = Scale::kLinear, .low = value(first), .high = value(last)};
      for (int tick = 0; tick <= static_cast<int>(last - first); ++tick) fitted.ticks.push_back(value(first + tick));
      return fitted;
    }
  }
}

AxisScale FitLogarithmic(Scale scale, double low, double high, size_t most_ticks) {
  const double base = scale == Scale::kLog2 ? 2 : 10;
  const auto value = [&](int power) { return std::pow(base, power); };
  if (high <= 0) high = 1;
  if (low <= 0) low = high / kMostDecadesFactor;
  const auto exponent = [&](double of) { return std::log(std::clamp(of, kSmallest, kLargest)) / std::log(base); };
  int first = static_cast<int>(std::floor(exponent(low)));
  int last = static_cast<int>(std::ceil(exponent(high)));
  // log(1000) / log(10) is a little below 3.
  if (value(first + 1) <= low) ++first;
  if (value(last - 1) >= high) --last;
  last = std::max(last, first + 1);
  const int most_steps = static_cast<int>(most_ticks) - 1;
  const int stride = (last - first + most_steps - 1) / most_steps;
  AxisScale fitted{.scale = scale, .low = value(first), .high = value(last)};
  for (int power = first; power <= last; power += stride) fitted.ticks.push_back(value(power));
  return fitted;
}

// Three digits that count, and all of a whole part: 1023 -> "1023", 12.34 -> "12.3", 0.0420 -> "0.042".
std::string Digits(double value) {
  if (value == 0) return "0";
  if (value < 1e-3 || value >= 1e6) return fmt::format("{:.3g}", value);
  const int decimals = std::max(0, 2 - static_cast<int>(std::floor(std::log10(value))));
  std::string digits = fmt::format("{:.{}f}", value, decimals);
  if (decimals > 0) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return digits;
}

// `value` in the largest of the ascending `units` that leaves it at 1 or more; each is `base` times the one before.
std::string InUnits(double value, double base, std::span<const char* const> units) {
  // What would be written as 1000 kB is 1 MB.
  for (; units.size() > 1 && std::round(value) >= base; units = units.subspan(1)) value /= base;
  return Digits(value) + units.front();
}

std::string FormatMagnitude(double value, Unit unit) {
  static constexpr const char* kNumbers[] = {"", "k", "M", "G", "T"};
  static constexpr const char* kBytes[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  static constexpr const char* kByteRates[] = {" B/s", " kB/s", " MB/s", " GB/s", " TB/s"};
  static constexpr const char* kRates[] = {"/s", "k/s", "M/s", "G/s", "T/s"};
  static constexpr const char* kTimes[] = {" ns", " us", " ms", " s"};
  switch (unit) {
    case Unit::kNumber:
      return InUnits(value, 1000, kNumbers);
    case Unit::kBytes:
      return InUnits(value, 1024, kBytes);
    case Unit::kBytesPerSecond:
      return InUnits(value, 1000, kByteRates);
    case Unit::kPerSecond:
      return InUnits(value, 1000, kRates);
    case Unit::kSeconds:
      return value == 0 ? "0 s" : InUnits(value * 1e9, 1000, kTimes);
    case Unit::kPercent:
      return Digits(value * 100) + " %";
  }
  return Digits(value);
}

}  // namespace

double AxisScale::Place(double value) const {
  if (value <= low) return 0;
  if (value >= high) return 1;
  if (scale == Scale::kLinear) return (value - low) / (high - low);
  return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
}

AxisScale FitScale(Scale scale, double low, double high, size_t most_ticks) {
  return scale == Scale::kLinear ? FitLinear(low, high, most_ticks) : FitLogarithmic(scale, low, high, most_ticks);
}

std::string FormatValue(double value, Unit unit) {
  if (!std::isfinite(value)) return "n/a";
  return (value < 0 ? "-" : "") + FormatMagnitude(std::abs(value), unit);
}

}  // namespace quire::bench
