// Progress of work that is a known number of steps, shown as tools/progress.h does.
#pragma once

#include <mutex>
#include <string>

#include "tools/progress.h"

namespace quire::bench {

class StepProgress {
 public:
  // `what` is done in `steps` steps.
  StepProgress(std::string what, uint64_t steps);

  // The next step begins, and the one before is done.
  void Begin(std::string step);

 private:
  ProgressState Read();

  std::mutex mutex_;  // guards state_
  ProgressState state_;
  bool begun_ = false;
  Progress progress_;  // last: its thread reads all above
};

}  // namespace quire::bench
