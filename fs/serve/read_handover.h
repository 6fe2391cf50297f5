// SPDX-License-Identifier: Apache-2.0
// The bytes of a read, handed from the thread that got them to the thread that must answer with them, and waits. One
// read, once. Both hold it by a shared pointer: whoever waits may leave first.
#pragma once

#include <functional>
#include <optional>

#include "cache/sample_reader.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

class ReadHandover {
 public:
  // Any thread; does not block. Where nobody waits any more the bytes are let go of.
  void Give(Result<SampleBytes> result);

  // Blocks until Give; empty once `is_over`, which is asked at once and then every tenth of a second, says that nobody
  // wants an answer.
  std::optional<Result<SampleBytes>> Await(const std::function<bool()>& is_over);

  ReadTimes times;  // set before Give, to be read after Await

 private:
  Mutex mutex_;
  ConditionVariable is_given_;
  std::optional<Result<SampleBytes>> result_ QUIRE_GUARDED_BY(mutex_);
  bool is_left_ QUIRE_GUARDED_BY(mutex_) = false;
};

}  // namespace quire
