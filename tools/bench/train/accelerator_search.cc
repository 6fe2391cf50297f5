// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/accelerator_search.h"

#include <algorithm>
#include <cassert>

namespace quire::bench {

AcceleratorSearch::AcceleratorSearch(unsigned most) : most_(most), high_(most + 1) { assert(most >= 1); }

std::optional<AcceleratorSearch::Question> AcceleratorSearch::Next() const {
  if (is_searching() && whole_.empty())
    return Question{has_failed() ? low_ + (high_ - low_) / 2 : std::min(std::max(1U, 2 * low_), most_), false};
  if (low_ >= 1 && !whole_.contains(low_)) return Question{low_, true};
  if (low_ < most_ && !whole_.contains(low_ + 1)) return Question{low_ + 1, true};
  return std::nullopt;
}

void AcceleratorSearch::Answer(bool has_passed) {
  const auto question = Next();
  assert(question);
  const unsigned accelerators = question->accelerators;
  // A whole measurement overrules the trials: where one does not pass, one accelerator less is asked about.
  if (question->is_whole) whole_[accelerators] = has_passed;
  if (has_passed)
    low_ = accelerators;
  else if (question->is_whole)
    low_ = std::min(low_, accelerators - 1);
  else
    high_ = accelerators;
}

}  // namespace quire::bench
