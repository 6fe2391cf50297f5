// SPDX-License-Identifier: Apache-2.0
// A mutex whose rules clang checks: what it guards is only touched with it held (-Wthread-safety, tests/lint). The
// macros are those of https://clang.llvm.org/docs/ThreadSafetyAnalysis.html, and nothing for other compilers.
#pragma once

#include <condition_variable>
#include <mutex>

#ifdef __clang__
#define QUIRE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define QUIRE_THREAD_ATTRIBUTE(x)
#endif

// Of a variable: it is read and written with `mutex` held. Of a pointer: what it points at is.
#define QUIRE_GUARDED_BY(mutex) QUIRE_THREAD_ATTRIBUTE(guarded_by(mutex))
#define QUIRE_POINTEE_GUARDED_BY(mutex) QUIRE_THREAD_ATTRIBUTE(pt_guarded_by(mutex))
// Of a function: who calls it holds the mutex, or does not.
#define QUIRE_REQUIRES(...) QUIRE_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define QUIRE_EXCLUDES(...) QUIRE_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// Of a function: it takes the mutex, or lets go of it.
#define QUIRE_ACQUIRE(...) QUIRE_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define QUIRE_RELEASE(...) QUIRE_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
// Of a function whose body the analysis cannot follow; the reason stands beside it.
#define QUIRE_UNCHECKED_LOCKS QUIRE_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace quire {

class QUIRE_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() QUIRE_ACQUIRE() { mutex_.lock(); }
  void unlock() QUIRE_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds a mutex while it lives, but for the time between unlock and lock.
class QUIRE_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) QUIRE_ACQUIRE(mutex) : lock_(mutex) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() QUIRE_RELEASE() {}  // NOLINT(modernize-use-equals-default): the attribute needs a body

  void lock() QUIRE_ACQUIRE() { lock_.lock(); }
  void unlock() QUIRE_RELEASE() { lock_.unlock(); }

 private:
  std::unique_lock<Mutex> lock_;
};

// Waits with a MutexLock. The analysis does not see that a predicate runs with the mutex held: it is to be annotated,
// as in `changed_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return is_done_; })`.
using ConditionVariable = std::condition_variable_any;

}  // namespace quire
