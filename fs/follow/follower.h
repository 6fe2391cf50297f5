// SPDX-License-Identifier: Apache-2.0
// The mount option `follow`: a mount shows each further generation of its pack soon after it was committed. Requests
// that are being answered meanwhile get the generation of before or the new one; what is open, in memory or in a tier
// stays, since a later generation has all nodes, extents and bytes of the earlier one under the same numbers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cache/background_thread.h"
#include "cache/sample_reader.h"
#include "format/mutex.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "fs/feed/kernel_feed.h"
#include "fs/follow/kernel_notices.h"
#include "fs/follow/pack_watch.h"

namespace quire {

struct FollowFigures {
  uint64_t taken = 0;  // generations, since the mount was made
  // Why the newest one is not shown; empty where it is, as far as is known.
  std::string trouble;
};

class Follower {
 public:
  // All must outlive the follower. Watches the pack from now on: what a confined thread may no longer ask for is done
  // here.
  Follower(Pack& pack, SampleReader& samples, KernelFeed& feed);

  // Starts a thread that looks and takes. `session` must live until Stop has returned; `root`: the directory that is
  // mounted.
  Result<void> Start(fuse_session* session, NodeNumber root);
  // Returns once the thread has ended. REQUIRES: requests are still answered, or the mount is gone. Again: does
  // nothing.
  void Stop() { thread_.Stop(); }

  [[nodiscard]] FollowFigures figures() const;

 private:
  void Run(const std::stop_token& stop);
  // Takes what is there by now.
  Result<void> Look(const std::stop_token& stop);
  Result<void> Take(Index& later, const std::stop_token& stop);
  // Tells the log, once for each text.
  void SetTrouble(std::string trouble);

  Pack& pack_;
  SampleReader& samples_;
  KernelFeed& feed_;
  const std::shared_ptr<const PackWatch> watch_;  // with the pack's object, which may live longer
  std::optional<KernelNotices> notices_;
  std::atomic<uint64_t> taken_ = 0;
  mutable Mutex mutex_;
  std::string trouble_ QUIRE_GUARDED_BY(mutex_);
  BackgroundThread thread_;  // last: it uses all above
};

}  // namespace quire
