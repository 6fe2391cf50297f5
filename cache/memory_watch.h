// SPDX-License-Identifier: Apache-2.0
// Keeps the cache's memory in step with what readers and the machine need: looks at the memory that is available while
// the cache is used, has slots get memory before readers need them, and has the cache give back what it does not need.
#pragma once

#include <stop_token>

#include "cache/background_thread.h"
#include "cache/page_cache.h"
#include "format/result.h"

namespace quire {

class MemoryWatch {
 public:
  explicit MemoryWatch(PageCache& cache) : cache_(cache) {}
  Result<void> Start();

 private:
  void Run(const std::stop_token& stop);

  PageCache& cache_;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
