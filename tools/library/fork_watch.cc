// SPDX-License-Identifier: Apache-2.0
#include "tools/library/fork_watch.h"

#include <pthread.h>

#include <atomic>
#include <new>

namespace quire {
namespace {

std::atomic<uint64_t> forks = 0;  // lock-free, since it is written in a child

void Watch() {
  if (pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); }) != 0)
    throw std::bad_alloc();
}

}  // namespace

uint64_t CountForks() {
  static_assert(decltype(forks)::is_always_lock_free);
  static const bool is_watched = (Watch(), true);
  static_cast<void>(is_watched);
  return forks.load(std::memory_order_relaxed);
}

}  // namespace quire
