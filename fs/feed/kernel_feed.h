// SPDX-License-Identifier: Apache-2.0
// All that gives the kernel bytes before it asks: what is known of its cache, the pusher, and the plan. The file system
// tells it what the kernel does, the session starts and stops it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>

#include "cache/sample_reader.h"
#include "format/pack/pack.h"
#include "fs/feed/feed_figures.h"
#include "fs/feed/kernel_store.h"
#include "fs/feed/kernel_view.h"
#include "fs/feed/plan.h"
#include "fs/feed/plan_pipe.h"
#include "fs/feed/plan_runner.h"
#include "fs/feed/pusher.h"
#include "fs/feed/sweeper.h"

namespace quire {

class KernelFeed {
 public:
  // `pack` and `samples` must outlive the feed; `root`: the directory that is mounted. `grows`: the pack may,
  // meanwhile. REQUIRES: no read was begun yet.
  KernelFeed(const Pack& pack, NodeNumber root, SampleReader& samples, std::string mount_point, PushMode mode,
             bool grows);

  // kUnsupported where a later generation of the pack has more than there is room for here.
  [[nodiscard]] Result<void> CheckRoomFor(const Index& later) const;

  // Starts the threads. `session` must live until Stop has returned; `device`: of its mount.
  Result<void> Start(fuse_session* session, dev_t device);
  // Ends the threads. REQUIRES: requests are still answered, or the mount is gone. Again: does nothing.
  void Stop();

  // What the kernel does. Any thread; does not block; allocates nothing.
  void Told(NodeNumber number) { view_.Told(number); }
  void Forgotten(NodeNumber number);
  void PlanLookedUp() { pipe_.LookedUp(); }
  // It asks for bytes [offset, offset + bytes) of `node`, a sample.
  void ReadBegun(NodeNumber number, const Node& node, uint64_t offset, uint64_t bytes);
  // And was answered from memory at once.
  void ReadAnswered(const Node& node);

  [[nodiscard]] FeedFigures figures() const;

 private:
  void PieceRead(NodeNumber number, ExtentNumber extent);

  const Index& index_;
  const SampleReader& samples_;
  const PushMode mode_;
  const uint64_t most_nodes_;
  const uint64_t most_extents_;
  KernelView view_;
  KernelStore store_;
  Residency& residency_;
  PageCache& cache_;
  Sweeper sweeper_;
  Pusher pusher_;
  Plan plan_;
  PlanRunner runner_;
  PlanPipe pipe_;
  std::atomic<uint64_t> forgotten_ = 0;
};

}  // namespace quire
