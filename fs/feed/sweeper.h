// SPDX-License-Identifier: Apache-2.0
// Sweeps a volume that is being read as a whole: fills the pages that nobody has asked for yet, in their order, so that
// their samples are pushed before anyone does. How much of that is worth it says cache/policy/residency.h; the cache
// reads swept pages behind all that readers wait for.
#pragma once

#include <cstdint>
#include <stop_token>

#include "cache/background_thread.h"
#include "cache/page_cache.h"
#include "format/pack/index.h"
#include "fs/feed/kernel_view.h"

namespace quire {

class Sweeper {
 public:
  // All must outlive the sweeper.
  Sweeper(const Index& index, PageCache& cache, const KernelView& view);

  Result<void> Start();
  // Returns once the thread has ended. It waits for nothing but reads of the index.
  void Stop() { thread_.Stop(); }

  // A page came, or a slot was given up: perhaps there is something to do. Any thread; does not block.
  void Wake();

 private:
  void Run(const std::stop_token& stop);
  // Goes on to the next page that can be pushed. kNotNeeded: there is none in the whole volume.
  PageCache::SweepOutcome SweepNext(const std::stop_token& stop);
  [[nodiscard]] bool CanBePushed(uint64_t page) const;

  const Index& index_;
  PageCache& cache_;
  const KernelView& view_;
  uint64_t next_page_ = 0;
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
