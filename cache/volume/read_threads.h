// SPDX-License-Identifier: Apache-2.0
// Threads that each carry out one read at a time, those that a reader waits for first, and else in the order in which
// reads come: for sources whose reads block.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class ReadThreads {
 public:
  // What a thread does with a read; it calls read.done in the end. Any of the threads.
  using Read = std::function<void(VolumeRead& read)>;

  explicit ReadThreads(Read read) : read_(std::move(read)) {}
  ReadThreads(const ReadThreads&) = delete;
  ReadThreads& operator=(const ReadThreads&) = delete;
  ~ReadThreads();  // REQUIRES: nothing is under way

  // Starts `count` threads, at `nice` where that is below 0; an error only where the machine gives not even one.
  // REQUIRES: called once, before Submit.
  Result<void> Start(unsigned count, int nice);
  // As VolumeSource::Submit.
  void Submit(VolumeRead* first);
  [[nodiscard]] size_t size() const { return threads_.size(); }

 private:
  void Work();

  const Read read_;
  Mutex mutex_;  // not held while anything is read or told
  ConditionVariable changed_;
  ReadQueue urgent_ QUIRE_GUARDED_BY(mutex_);
  ReadQueue rest_ QUIRE_GUARDED_BY(mutex_);
  size_t idle_ QUIRE_GUARDED_BY(mutex_) = 0;  // threads that wait for changed_
  bool stop_ QUIRE_GUARDED_BY(mutex_) = false;

  std::vector<std::jthread> threads_;  // last: they use all above
};

}  // namespace quire
