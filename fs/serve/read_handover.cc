// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/read_handover.h"

#include <chrono>
#include <utility>

namespace quire {

namespace {

// How much longer than it must a mount may take to end. Ten wakeups a second of a thread that waits for a disk are
// nothing beside what the disk costs.
constexpr std::chrono::milliseconds kPatience{100};

}  // namespace

void ReadHandover::Give(Result<SampleBytes> result) {
  const MutexLock lock(mutex_);
  if (is_left_) return;
  result_ = std::move(result);
  is_given_.notify_one();
}

std::optional<Result<SampleBytes>> ReadHandover::Await(const std::function<bool()>& is_over) {
  MutexLock lock(mutex_);
  while (!result_) {
    // Asked before the first wait too: one thread may have many such reads before it, one behind the other.
    if (is_over()) {
      is_left_ = true;
      return std::nullopt;
    }
    is_given_.wait_for(lock, kPatience, [this]() QUIRE_REQUIRES(mutex_) { return result_.has_value(); });
  }
  return std::exchange(result_, std::nullopt);
}

}  // namespace quire
