// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/step_progress.h"

#include <utility>

namespace quire::bench {

StepProgress::StepProgress(std::string what, uint64_t steps)
    : state_{.what = std::move(what), .total = steps, .is_bytes = false},
      progress_(ProgressMode::kAuto, [this] { return Read(); }) {}

void StepProgress::Begin(std::string step) {
  const MutexLock lock(mutex_);
  if (std::exchange(begun_, true)) ++state_.done;
  state_.counts = std::move(step);
}

ProgressState StepProgress::Read() {
  const MutexLock lock(mutex_);
  return state_;
}

}  // namespace quire::bench
