// SPDX-License-Identifier: Apache-2.0
// Which of two things is faster, from measurements that were made in turn: a conclusion that noise alone seldom draws.
// Pure functions, any thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace quire::bench {

// What a figure may be, with a confidence of about 95 %.
struct Interval {
  double low = 0;
  double middle = 0;
  double high = 0;

  [[nodiscard]] bool holds(double value) const { return low <= value && value <= high; }
};

// Rounds that a conclusion needs. With fewer the bootstrap is too sure of itself: of 5 pairs of equal things it called
// one in ten different.
inline constexpr size_t kLeastRounds = 7;

// What `figure` of `rounds` rounds may be. It is told numbers of rounds, drawn with replacement, and gives the
// logarithm of the figure: all that was measured in one round stays together, so that what slowed a whole round down
// cancels out. 99 % of 1,000 draws, widened by sqrt(n / (n - 1)), since what was drawn scatters less than what it was
// drawn from: of 7 rounds of noise one in twenty does not hold the truth, and that is the confidence told. Empty for
// fewer than kLeastRounds, and where a figure is not finite. The same rounds give the same interval.
using FigureOfRounds = std::function<double(std::span<const size_t> rounds)>;
std::optional<Interval> Bootstrap(size_t rounds, const FigureOfRounds& figure);

// Of the geometric mean of a[i] / b[i]. Both are as long as the rounds. REQUIRES: all are > 0.
std::optional<Interval> RatioOf(std::span<const double> a, std::span<const double> b);

}  // namespace quire::bench
