// SPDX-License-Identifier: Apache-2.0
#include "cache/volume/read_threads.h"

#include <algorithm>
#include <utility>

#include "cache/background_thread.h"

namespace quire {

ReadThreads::~ReadThreads() {
  const MutexLock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
}

Result<void> ReadThreads::Start(unsigned count, int nice) {
  while (threads_.size() < count) {
    auto thread = StartBackgroundThread("quire-fill", [this, nice] {
      if (nice < 0) PutThreadFirst(nice);
      Work();
    });
    if (!thread && threads_.empty()) return Propagate(std::move(thread));
    if (!thread) break;
    threads_.push_back(std::move(*thread));
  }
  return {};
}

void ReadThreads::Submit(VolumeRead* first) {
  ReadQueue urgent;
  ReadQueue rest;
  size_t count = 0;
  while (first != nullptr) {
    VolumeRead& read = *std::exchange(first, first->next);
    read.got_bytes = 0;
    read.failed_tries = 0;
    (read.is_urgent ? urgent : rest).Push(read);
    ++count;
  }
  {
    const MutexLock lock(mutex_);
    urgent_.Append(urgent);
    rest_.Append(rest);
    count = std::min(count, idle_);
  }
  for (; count > 0; --count) changed_.notify_one();
}

void ReadThreads::Work() {
  MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return stop_ || !urgent_.empty() || !rest_.empty(); });
    --idle_;
    VolumeRead* const read = urgent_.empty() ? rest_.Pop() : urgent_.Pop();
    if (read == nullptr) return;
    lock.unlock();
    read_(*read);
    lock.lock();
  }
}

}  // namespace quire
