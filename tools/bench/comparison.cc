// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/comparison.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <random>

namespace quire::bench {
namespace {

constexpr size_t kDraws = 1000;  // of which the fifth and the last but five are the limits
constexpr size_t kCutDraws = 5;
constexpr uint64_t kSeed = 1;  // the same figures give the same words

}  // namespace

std::optional<Interval> Bootstrap(size_t rounds, const FigureOfRounds& figure) {
  if (rounds < kLeastRounds) return std::nullopt;
  std::vector<size_t> drawn(rounds);
  for (size_t round = 0; round < rounds; ++round) drawn[round] = round;
  const double middle = figure(drawn);
  std::mt19937_64 random(kSeed);
  std::uniform_int_distribution<size_t> any(0, rounds - 1);
  std::vector<double> figures;
  figures.reserve(kDraws);
  for (size_t draw = 0; draw < kDraws; ++draw) {
    for (size_t& round : drawn) round = any(random);
    figures.push_back(figure(drawn));
  }
  if (!std::isfinite(middle) || !std::ranges::all_of(figures, [](double f) { return std::isfinite(f); }))
    return std::nullopt;
  std::ranges::sort(figures);
  const auto count = static_cast<double>(rounds);
  const double wider = std::sqrt(count / (count - 1));
  return Interval{.low = std::exp(middle - (middle - figures[kCutDraws]) * wider),
                  .middle = std::exp(middle),
                  .high = std::exp(middle + (figures[kDraws - 1 - kCutDraws] - middle) * wider)};
}

std::optional<Interval> RatioOf(std::span<const double> a, std::span<const double> b) {
  const size_t rounds = std::min(a.size(), b.size());
  return Bootstrap(rounds, [&](std::span<const size_t> drawn) {
    double sum = 0;
    for (const size_t round : drawn) {
      assert(a[round] > 0 && b[round] > 0);
      sum += std::log(a[round] / b[round]);
    }
    return sum / static_cast<double>(drawn.size());
  });
}

}  // namespace quire::bench
