// SPDX-License-Identifier: Apache-2.0
// Threads that run one loop at a time, and the token by which a caller stops them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "format/mutex.h"
#include "format/result.h"

namespace quire {

inline constexpr unsigned kMaxJobs = 256;

class WorkerPool {
 public:
  // `threads`: 1 to kMaxJobs. Where not so many can be started there are fewer, and where none can, the caller of
  // ForEach does the work.
  explicit WorkerPool(unsigned threads);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  // How many bodies run at once.
  [[nodiscard]] unsigned size() const { return std::max(static_cast<unsigned>(threads_.size()), 1U); }

  // Calls body(0) to body(count - 1), each once, from several threads, and waits for them. After a failure no further
  // index is given out; returns the failure of the lowest index. An exception that leaves a body (no memory) ends the
  // loop, and is thrown on to the caller. Not reentrant, and for one calling thread at a time.
  Result<void> ForEach(uint64_t count, const std::function<Result<void>(uint64_t)>& body);

 private:
  void Work();
  void RunLoop(const std::function<Result<void>(uint64_t)>& body, uint64_t count);

  Mutex mutex_;  // not held while a body runs
  ConditionVariable changed_;
  const std::function<Result<void>(uint64_t)>* body_ QUIRE_GUARDED_BY(mutex_) = nullptr;
  uint64_t count_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t round_ QUIRE_GUARDED_BY(mutex_) = 0;   // of ForEach: tells a waking thread that there is new work
  unsigned active_ QUIRE_GUARDED_BY(mutex_) = 0;  // threads that have not finished this round
  bool stop_ QUIRE_GUARDED_BY(mutex_) = false;
  uint64_t failed_at_ QUIRE_GUARDED_BY(mutex_) = 0;
  Result<void> failure_ QUIRE_GUARDED_BY(mutex_);
  std::exception_ptr exception_ QUIRE_GUARDED_BY(mutex_);
  std::atomic<uint64_t> next_ = 0;
  std::vector<std::jthread> threads_;  // last: its threads use all above
};

}  // namespace quire
