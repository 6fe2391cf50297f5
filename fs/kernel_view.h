// What the kernel has of each sample, as far as it lets anyone know. It tells of look-ups, of reads that it cannot
// answer itself and of inodes that it lets go; it does not tell when it answers a read from its page cache, nor when it
// drops a page. So everything here is a belief, good enough to choose what to push and never used to answer anything.
#pragma once

#include <atomic>
#include <cstdint>

#include "cache/memory/zeroed_array.h"
#include "format/geometry.h"

namespace quire {

// Thread-safe, no lock. A byte for each node, used as it is touched.
class KernelView {
 public:
  explicit KernelView(uint64_t nodes) : flags_(nodes) {}

  // A reply names the node's inode: from now on its page cache can be stored into.
  void Told(NodeNumber node) {
    if ((Get(node) & kKnown) == 0) flags_[node].fetch_or(kKnown, std::memory_order_relaxed);
  }
  // The inode is gone, and its page cache with it.
  void Forgotten(NodeNumber node) { flags_[node].store(0, std::memory_order_relaxed); }

  struct ReadEvent {
    bool was_pushed = false;   // and dropped again before this read
    bool was_control = false;  // the first read of a sample that was left out of a push on purpose
  };
  // The kernel asks for bytes of the sample.
  ReadEvent BeginRead(NodeNumber node) {
    uint8_t before = Get(node);
    if ((before & (kRead | kPushed | kControl)) != kRead)
      before = flags_[node].exchange(kKnown | kRead, std::memory_order_relaxed);
    return {.was_pushed = (before & kPushed) != 0, .was_control = (before & kControl) != 0};
  }

  // What the kernel was given of the sample is long ago: it will have dropped it, and shall be given it again.
  void Renew(NodeNumber node) { flags_[node].fetch_and(kKnown, std::memory_order_relaxed); }

  void Pushed(NodeNumber node) { flags_[node].fetch_or(kPushed, std::memory_order_relaxed); }
  // Left out of a push, so that its read is seen: one of a control group.
  void LeftOut(NodeNumber node) { flags_[node].fetch_or(kControl, std::memory_order_relaxed); }

  [[nodiscard]] bool IsKnown(NodeNumber node) const { return (Get(node) & kKnown) != 0; }
  // Whether the kernel was given the sample, or shall not be.
  [[nodiscard]] bool IsSettled(NodeNumber node) const { return (Get(node) & (kRead | kPushed | kControl)) != 0; }

 private:
  static constexpr uint8_t kKnown = 1;
  static constexpr uint8_t kRead = 2;     // asked for by the kernel
  static constexpr uint8_t kPushed = 4;   // and not asked for since
  static constexpr uint8_t kControl = 8;  // left out of a push

  [[nodiscard]] uint8_t Get(NodeNumber node) const { return flags_[node].load(std::memory_order_relaxed); }

  ZeroedArray<std::atomic<uint8_t>> flags_;
};

}  // namespace quire
