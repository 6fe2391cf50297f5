// SPDX-License-Identifier: Apache-2.0
#include "format/worker_pool.h"

#include <new>
#include <system_error>
#include <utility>

namespace quire {

WorkerPool::WorkerPool(unsigned threads) {
  threads_.reserve(threads);
  try {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {  // no further thread: RLIMIT_NPROC, the pids cgroup
  } catch (const std::bad_alloc&) {
  }
}

WorkerPool::~WorkerPool() {
  const MutexLock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

Result<void> WorkerPool::ForEach(uint64_t count, const std::function<Result<void>(uint64_t)>& body) {
  MutexLock lock(mutex_);
  body_ = &body;
  count_ = count;
  next_ = 0;
  failure_ = {};
  if (threads_.empty()) {
    lock.unlock();
    RunLoop(body, count);
    lock.lock();
  } else {
    active_ = size();
    ++round_;
    changed_.notify_all();
    changed_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return active_ == 0; });
  }
  if (const auto exception = std::exchange(exception_, nullptr)) std::rethrow_exception(exception);
  return std::exchange(failure_, {});
}

void WorkerPool::RunLoop(const std::function<Result<void>(uint64_t)>& body, uint64_t count) {
  for (uint64_t i = next_++; i < count; i = next_++) {
    try {
      auto done = body(i);
      if (done) continue;
      next_ = count;
      const MutexLock lock(mutex_);
      if (failure_.has_value() || i < failed_at_) {
        failure_ = std::move(done);
        failed_at_ = i;
      }
    } catch (...) {
      next_ = count;
      const MutexLock lock(mutex_);
      exception_ = std::current_exception();
    }
  }
}

void WorkerPool::Work() {
  uint64_t seen_round = 0;
  MutexLock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&]() QUIRE_REQUIRES(mutex_) { return stop_ || round_ != seen_round; });
    if (stop_) return;
    seen_round = round_;
    const auto& body = *body_;
    const uint64_t count = count_;
    lock.unlock();
    RunLoop(body, count);
    lock.lock();
    if (--active_ == 0) changed_.notify_all();
  }
}

}  // namespace quire
