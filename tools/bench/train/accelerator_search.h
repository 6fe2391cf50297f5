// SPDX-License-Identifier: Apache-2.0
// How many accelerators a storage feeds: what to measure next. Short trials double their number until one does not
// pass, and then halve the distance; whole measurements confirm that the number found passes and that one more does
// not. What was not measured is not told. Pure, for one thread.
#pragma once

#include <optional>

namespace quire::bench {

class AcceleratorSearch {
 public:
  struct Question {
    unsigned accelerators = 0;
    bool is_whole = false;  // a whole measurement; else a trial

    bool operator==(const Question&) const = default;
  };

  // No more than `most` are measured. REQUIRES: most >= 1.
  explicit AcceleratorSearch(unsigned most);

  // What to measure next; empty at the end.
  [[nodiscard]] std::optional<Question> Next() const;
  // Whether what Next says has passed. REQUIRES: Next is not empty.
  void Answer(bool has_passed);

  // At the end: as many as passed a whole measurement, 0 where one did not.
  [[nodiscard]] unsigned found() const { return wholes_.low; }
  // At the end: one more could not be measured, so that it may feed more.
  [[nodiscard]] bool may_be_more() const { return wholes_.low == most_; }

 private:
  // Trials and whole measurements each have their bounds: the most that passed, and the fewest that did not, where none
  // is known most_ + 1.
  struct Bounds {
    unsigned low = 0;
    unsigned high = 0;
  };

  [[nodiscard]] unsigned NextTrial() const;
  [[nodiscard]] unsigned NextWhole() const;

  const unsigned most_;
  Bounds trials_;
  Bounds wholes_;
  unsigned whole_answers_ = 0;
};

}  // namespace quire::bench
