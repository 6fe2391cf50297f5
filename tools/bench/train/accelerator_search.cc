// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/accelerator_search.h"

#include <algorithm>
#include <cassert>

namespace quire::bench {

AcceleratorSearch::AcceleratorSearch(unsigned most) : most_(most), trials_{0, most + 1}, wholes_{0, most + 1} {
  assert(most >= 1);
}

std::optional<AcceleratorSearch::Question> AcceleratorSearch::Next() const {
  if (whole_answers_ == 0 && trials_.high - trials_.low > 1) return Question{NextTrial(), false};
  if (wholes_.high - wholes_.low > 1) return Question{NextWhole(), true};
  return std::nullopt;
}

void AcceleratorSearch::Answer(bool has_passed) {
  const auto question = Next();
  assert(question);
  Bounds& bounds = question->is_whole ? wholes_ : trials_;
  (has_passed ? bounds.low : bounds.high) = question->accelerators;
  if (question->is_whole) ++whole_answers_;
}

unsigned AcceleratorSearch::NextTrial() const {
  if (trials_.high <= most_) return trials_.low + (trials_.high - trials_.low) / 2;
  return std::min(std::max(1U, 2 * trials_.low), most_);
}

unsigned AcceleratorSearch::NextWhole() const {
  if (whole_answers_ == 0) return std::max(1U, trials_.low);
  const bool has_failed = wholes_.high <= most_;
  if (has_failed && wholes_.low > 0) return wholes_.low + (wholes_.high - wholes_.low) / 2;
  // Strides double, so that 32 bits hold them as they hold the numbers between which they lie.
  const unsigned stride = 1U << (whole_answers_ - 1);
  if (!has_failed) return stride < most_ - wholes_.low ? wholes_.low + stride : most_;
  return stride < wholes_.high ? wholes_.high - stride : 1;
}

}  // namespace quire::bench
