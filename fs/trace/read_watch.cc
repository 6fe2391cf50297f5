// SPDX-License-Identifier: Apache-2.0
#include "fs/trace/read_watch.h"

#include <algorithm>
#include <new>
#include <unordered_map>
#include <utility>

namespace quire {
namespace {

constexpr std::array<const char*, kWatchedOperations> kNames = {"lookup",  "getattr",  "open",     "read",
                                                                "readdir", "readlink", "getxattr", "other"};

constexpr uint64_t kOnNs = std::chrono::nanoseconds(ReadWatch::kOnAfterLook).count();
constexpr double kNsPerSecond = 1e9;

ReadSum SumOf(const WatchedRead& read) { return {.reads = 1, .files = read.is_first, .bytes = read.bytes}; }

void Add(std::atomic<uint64_t>& sum, uint64_t amount) { sum.fetch_add(amount, std::memory_order_relaxed); }

}  // namespace

const char* NameOf(WatchedOperation operation) { return kNames[static_cast<size_t>(operation)]; }

void ReadWatch::Count(WatchedOperation operation, uint64_t began_ns, uint64_t ended_ns) noexcept {
  // Nobody looks any more: the first request after that time switches it off, and counts no more.
  if (ended_ns > off_at_ns_.load(std::memory_order_relaxed)) {
    is_on_.store(false, std::memory_order_relaxed);
    return;
  }
  Blocks* const blocks = blocks_.load(std::memory_order_acquire);
  if (blocks == nullptr) return;
  Block::Operation& figures = (*blocks)[ThreadBlock()].operations[static_cast<size_t>(operation)];
  Add(figures.requests_by_us[LatencyBucket(ended_ns - began_ns)], 1);
  Add(figures.total_ns, ended_ns - began_ns);
}

void ReadWatch::CountRead(const WatchedRead& read, uint64_t began_ns, uint64_t ended_ns) noexcept {
  Count(WatchedOperation::kRead, began_ns, ended_ns);
  if (is_on() && !ring_.Add(read)) Add(lost_, 1);
}

WatchFigures ReadWatch::Look(uint64_t now_ns) {
  const MutexLock lock(mutex_);
  now_ns = std::max(now_ns, looked_ns_);  // another look was quicker
  if (memory_ == nullptr) {
    if (!ring_.Prepare()) throw std::bad_alloc();
    memory_ = std::make_unique<Blocks>();
    blocks_.store(memory_.get(), std::memory_order_release);
  } else {
    counted_ns_ += std::min(now_ns, looked_ns_ + kOnNs) - looked_ns_;
    TakeReads();
  }
  looked_ns_ = now_ns;
  off_at_ns_.store(now_ns + kOnNs, std::memory_order_relaxed);
  is_on_.store(true, std::memory_order_relaxed);
  WatchFigures figures = {.counted_s = static_cast<double>(counted_ns_) / kNsPerSecond,
                          .unassigned_reads = unassigned_reads_,
                          .threads = threads_.List(),
                          .folders = folders_.List()};
  for (const Block& block : *memory_)
    for (size_t i = 0; i < kWatchedOperations; ++i) {
      const Block::Operation& operation = block.operations[i];
      for (size_t j = 0; j < kLatencyBuckets; ++j)
        figures.operations[i].requests_by_us[j] += operation.requests_by_us[j].load(std::memory_order_relaxed);
      figures.operations[i].total_ns += operation.total_ns.load(std::memory_order_relaxed);
    }
  return figures;
}

void ReadWatch::TakeReads() {
  std::vector<WatchedRead> reads;
  ring_.Take(reads, kRecords);
  unassigned_reads_ += lost_.exchange(0, std::memory_order_relaxed);
  std::unordered_map<uint32_t, ReadSum> by_thread;
  for (const WatchedRead& read : reads) by_thread[read.process] += SumOf(read);
  for (const auto& [thread, sum] : by_thread) threads_.Add(thread, sum);
  CountFolders(reads);
}

// The nodes of a folder follow each other: in their order, each folder is looked for once.
void ReadWatch::CountFolders(std::vector<WatchedRead>& reads) {
  std::ranges::sort(reads, {}, &WatchedRead::node);
  for (size_t i = 0; i < reads.size();) {
    const auto folder = find_folder_(reads[i].node);
    ReadSum sum = SumOf(reads[i++]);
    if (!folder) continue;
    for (; i < reads.size() && reads[i].node < folder->end_child; ++i) sum += SumOf(reads[i]);
    folders_.Add(folder->node, sum);
  }
}

}  // namespace quire
