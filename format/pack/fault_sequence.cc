// SPDX-License-Identifier: Apache-2.0
#include "format/pack/fault_sequence.h"

#include <iterator>
#include <utility>

namespace quire {

thread_local uint64_t FaultSequence::current_task = kNoTask;

Result<void> FaultSequence::ForEach(WorkerPool& pool, uint64_t tasks,
                                    const std::function<Result<void>(uint64_t)>& body) {
  {
    const MutexLock lock(mutex_);
    has_ended_.assign(tasks, false);
    next_ = 0;
  }
  auto done = pool.ForEach(tasks, [&](uint64_t task) {
    current_task = task;
    auto result = body(task);
    current_task = kNoTask;
    const MutexLock lock(mutex_);
    End(task);
    return result;
  });
  const MutexLock lock(mutex_);
  for (; next_ < tasks; ++next_) HandOn(next_);  // where it was cut short
  return done;
}

void FaultSequence::Add(Fault fault) {
  const MutexLock lock(mutex_);
  ++faults_;
  if (current_task == kNoTask) return Tell(fault);
  waiting_[current_task].push_back(std::move(fault));
  // Of those that wait, the ones of the last tasks will not be told any more.
  if (++waiting_count_ > limit_) DropLast();
}

uint64_t FaultSequence::faults() const {
  const MutexLock lock(mutex_);
  return faults_;
}

void FaultSequence::End(uint64_t task) {
  has_ended_[task] = true;
  for (; next_ < has_ended_.size() && has_ended_[next_]; ++next_) HandOn(next_);
}

void FaultSequence::HandOn(uint64_t task) {
  const auto found = waiting_.extract(task);
  if (found.empty()) return;
  waiting_count_ -= found.mapped().size();
  for (const Fault& fault : found.mapped()) Tell(fault);
}

void FaultSequence::Tell(const Fault& fault) {
  if (told_ == limit_) return;
  ++told_;
  on_fault_(fault);
}

void FaultSequence::DropLast() {
  const auto last = std::prev(waiting_.end());
  last->second.pop_back();
  if (last->second.empty()) waiting_.erase(last);
  --waiting_count_;
}

}  // namespace quire
