// SPDX-License-Identifier: Apache-2.0
// How many accelerators a storage feeds: what to measure next. Short trials double their number until one does not
// pass, and then halve the distance; whole measurements confirm that the number found passes and that one more does
// not. What was not measured is not told. Pure, for one thread.
#pragma once

#include <map>
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
  [[nodiscard]] unsigned found() const { return low_; }
  // At the end: one more could not be measured, so that it may feed more.
  [[nodiscard]] bool may_be_more() const { return low_ == most_; }

 private:
  [[nodiscard]] bool is_searching() const { return high_ - low_ > 1; }
  [[nodiscard]] bool has_failed() const { return high_ <= most_; }  // then the distance is halved

  const unsigned most_;
  unsigned low_ = 0;                // the most that passed
  unsigned high_;                   // the fewest whose trial did not; most_ + 1 where none is known
  std::map<unsigned, bool> whole_;  // outcomes of whole measurements
};

}  // namespace quire::bench
