// SPDX-License-Identifier: Apache-2.0
// Faults that tasks find side by side, told in the order of the tasks, and no more of them than a limit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "format/mutex.h"
#include "format/result.h"
#include "format/worker_pool.h"

namespace quire {

struct Fault {
  enum class Kind : uint8_t { kIndex, kSample, kPage };
  Kind kind;
  std::string path;  // of the sample or entry, where it is known
  std::string message;
};

// Thread-safe. Memory: a bit for each task, and at most `limit` faults that wait for earlier tasks.
class FaultSequence {
 public:
  // `on_fault` is called by one thread at a time, at most `limit` times. It must outlive this.
  FaultSequence(const std::function<void(const Fault&)>& on_fault, uint64_t limit)
      : on_fault_(on_fault), limit_(limit) {}

  // Runs `body` of each task in the threads of `pool`, as WorkerPool::ForEach does.
  Result<void> ForEach(WorkerPool& pool, uint64_t tasks, const std::function<Result<void>(uint64_t)>& body);

  // A fault of the task that this thread runs; between two ForEach, of none.
  void Add(Fault fault);

  // All, with those that were not told.
  [[nodiscard]] uint64_t faults() const;

 private:
  static constexpr uint64_t kNoTask = UINT64_MAX;
  static thread_local uint64_t current_task;

  void End(uint64_t task) QUIRE_REQUIRES(mutex_);
  void HandOn(uint64_t task) QUIRE_REQUIRES(mutex_);
  void Tell(const Fault& fault) QUIRE_REQUIRES(mutex_);
  void DropLast() QUIRE_REQUIRES(mutex_);

  const std::function<void(const Fault&)>& on_fault_;
  const uint64_t limit_;
  mutable Mutex mutex_;  // held while on_fault_ runs
  std::vector<bool> has_ended_ QUIRE_GUARDED_BY(mutex_);
  uint64_t next_ QUIRE_GUARDED_BY(mutex_) = 0;  // all tasks before it have ended
  std::map<uint64_t, std::vector<Fault>> waiting_ QUIRE_GUARDED_BY(mutex_);
  uint64_t waiting_count_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t told_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t faults_ QUIRE_GUARDED_BY(mutex_) = 0;
};

}  // namespace quire
