// SPDX-License-Identifier: Apache-2.0
#include "tools/library/prefetcher.h"

#include <algorithm>

#include "tools/library/batch.h"
#include "tools/library/open_pack.h"

namespace quire {
namespace {

// Read at a time: enough of them to be sorted well, few enough for a stop to be quick.
constexpr size_t kBatchNodes = 256;
constexpr const char* kThreadName = "quire-prefetch";

}  // namespace

Result<size_t> Prefetcher::Add(std::span<const NodeNumber> nodes) {
  size_t taken = 0;
  {
    const MutexLock lock(mutex_);
    if (!is_started_) {
      auto started = thread_.Start(kThreadName, [this](const std::stop_token& stop) { Run(stop); });
      if (!started) return Propagate(std::move(started));
      is_started_ = true;
    }
    taken = std::min(nodes.size(), kMostWaiting - waiting_.size());
    waiting_.insert(waiting_.end(), nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  thread_.Wake();
  return taken;
}

void Prefetcher::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    bool has_more = false;
    // What is wrong with a sample is told to who reads it.
    RunStep(kThreadName, [&] {
      const std::vector<NodeNumber> nodes = Take();
      has_more = !nodes.empty();
      Batch(pack_).Prefetch(nodes, stop);
    });
    if (!has_more) thread_.Sleep(stop);
  }
}

std::vector<NodeNumber> Prefetcher::Take() {
  const MutexLock lock(mutex_);
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kBatchNodes));
  std::vector<NodeNumber> nodes(waiting_.begin(), end);
  waiting_.erase(waiting_.begin(), end);
  return nodes;
}

}  // namespace quire
