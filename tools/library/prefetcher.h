// SPDX-License-Identifier: Apache-2.0
// Samples that will be read are read ahead of that, by a thread that begins with the first of them.
#pragma once

#include <deque>
#include <span>
#include <stop_token>
#include <vector>

#include "cache/background_thread.h"
#include "format/mutex.h"
#include "format/pack/geometry.h"
#include "format/result.h"

namespace quire {

class OpenPack;

// Thread-safe. Its destructor ends what is under way.
class Prefetcher {
 public:
  static constexpr size_t kMostWaiting = 1 << 20;  // 8 MiB, and more than any cache holds

  explicit Prefetcher(OpenPack& pack) : pack_(pack) {}
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher() { thread_.Stop(); }

  // How many of `nodes` were taken, from the first on. kSystem where there can be no thread.
  Result<size_t> Add(std::span<const NodeNumber> nodes);

 private:
  void Run(const std::stop_token& stop);
  // The next ones to be read, which wait no more.
  std::vector<NodeNumber> Take();

  OpenPack& pack_;
  Mutex mutex_;
  std::deque<NodeNumber> waiting_ QUIRE_GUARDED_BY(mutex_);
  bool is_started_ QUIRE_GUARDED_BY(mutex_) = false;
  BackgroundThread thread_;
};

}  // namespace quire
