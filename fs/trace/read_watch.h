// SPDX-License-Identifier: Apache-2.0
// Who reads which folders, and how long each operation takes: counted while somebody looks, which `.quire/activity`
// tells (fs/serve/activity_report.h), and for ten seconds after each look.
//
// Off, it costs a request one relaxed load. On, a request reads the clock twice and adds to a counter of its thread,
// and a read leaves 16 bytes in a ring (record_ring.h), from which the next look takes them: nothing is added up on the
// way to a reader. The ring holds what 0.5 s of the fastest mount measured brings, 140,000 reads a second; of reads
// beyond that it is counted how many there were, and not whose. It takes 1.5 MiB and the counters 104 KiB, from the
// first look on.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cache/cache_stats.h"
#include "cache/thread_block.h"
#include "format/mutex.h"
#include "fs/trace/busiest_keys.h"
#include "fs/trace/record_ring.h"

namespace quire {

// As users see them: the words of FUSE.
enum class WatchedOperation : uint8_t {
  kLookup,
  kGetattr,
  kOpen,
  kRead,  // of samples
  kReaddir,
  kReadlink,
  kGetxattr,
  kOther,
  kCount
};
inline constexpr size_t kWatchedOperations = static_cast<size_t>(WatchedOperation::kCount);
// "lookup", ...
const char* NameOf(WatchedOperation operation);

struct OperationFigures {
  std::array<uint64_t, kLatencyBuckets> requests_by_us = {};  // by how long they took: cache_stats.h
  uint64_t total_ns = 0;
};

// A read of a sample that was answered.
struct WatchedRead {
  uint64_t node = 0;
  uint32_t process = 0;  // the thread that asked, as the daemon sees it; 0 where it cannot
  uint32_t bytes : 31 = 0;
  uint32_t is_first : 1 = 0;  // it began with the sample's first byte
};

// The folder of a node. All nodes from that one up to `end_child`, which is none of them, are in it.
struct WatchedFolder {
  uint64_t node = 0;
  uint64_t end_child = 0;
};

// All count up while counting is on.
struct WatchFigures {
  double counted_s = 0;  // for how long it was on
  std::array<OperationFigures, kWatchedOperations> operations = {};
  uint64_t unassigned_reads = 0;  // that are in neither list
  std::vector<BusyKey> threads;
  std::vector<BusyKey> folders;
};

// Any thread may call anything.
class ReadWatch {
 public:
  static constexpr size_t kRecords = 1 << 16;
  static constexpr std::chrono::seconds kOnAfterLook{10};

  // `find_folder`: in which folder a node is; nothing where the index is damaged.
  explicit ReadWatch(std::function<std::optional<WatchedFolder>(uint64_t node)> find_folder)
      : find_folder_(std::move(find_folder)) {}

  // The way to a reader asks this, and no more where it is off.
  [[nodiscard]] bool is_on() const { return is_on_.load(std::memory_order_relaxed); }

  // Both by NowNs(), when the request came and when it was answered.
  void Count(WatchedOperation operation, uint64_t began_ns, uint64_t ended_ns) noexcept;
  void CountRead(const WatchedRead& read, uint64_t began_ns, uint64_t ended_ns) noexcept;

  // What was counted, and more of it from now on. `now_ns`: NowNs(). Takes a lock that no reader waits for. Throws
  // std::bad_alloc.
  WatchFigures Look(uint64_t now_ns);

 private:
  struct alignas(kThreadBlockAlign) Block {
    struct Operation {
      std::array<std::atomic<uint64_t>, kLatencyBuckets> requests_by_us = {};
      std::atomic<uint64_t> total_ns = 0;
    };
    std::array<Operation, kWatchedOperations> operations;
  };
  using Blocks = std::array<Block, kThreadBlocks>;

  // Adds what is in the ring to the lists.
  void TakeReads() QUIRE_REQUIRES(mutex_);
  void CountFolders(std::vector<WatchedRead>& reads) QUIRE_REQUIRES(mutex_);

  const std::function<std::optional<WatchedFolder>(uint64_t node)> find_folder_;
  alignas(64) std::atomic<bool> is_on_ = false;  // read by all, written next to never, as are the two below
  std::atomic<uint64_t> off_at_ns_ = 0;
  std::atomic<Blocks*> blocks_ = nullptr;
  RecordRing<WatchedRead, kRecords> ring_;
  alignas(64) std::atomic<uint64_t> lost_ = 0;
  Mutex mutex_;
  std::unique_ptr<Blocks> memory_ QUIRE_GUARDED_BY(mutex_);
  uint64_t looked_ns_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t counted_ns_ QUIRE_GUARDED_BY(mutex_) = 0;
  uint64_t unassigned_reads_ QUIRE_GUARDED_BY(mutex_) = 0;
  BusiestKeys threads_ QUIRE_GUARDED_BY(mutex_);
  BusiestKeys folders_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
