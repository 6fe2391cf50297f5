// SPDX-License-Identifier: Apache-2.0
// Progress of work that is a known number of steps, shown as tools/progress.h does.
#pragma once

#include <string>

#include "format/mutex.h"
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

  Mutex mutex_;
  ProgressState state_ QUIRE_GUARDED_BY(mutex_);
  bool begun_ QUIRE_GUARDED_BY(mutex_) = false;
  Progress progress_;  // last: its thread reads all above
};

}  // namespace quire::bench
