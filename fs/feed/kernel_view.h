// SPDX-License-Identifier: Apache-2.0
// What the kernel has of each sample, as far as it lets anyone know. It tells of look-ups, of reads that it cannot
// answer itself and of inodes that it lets go; it does not tell when it answers a read from its page cache, nor when it
// drops a page. So everything here is a belief, good enough to choose what to push and never used to answer anything.
#pragma once

#include <atomic>
#include <cstdint>

#include "format/pack/geometry.h"
#include "format/zeroed_array.h"

namespace quire {

// What the kernel's page cache knows of a file, it knows by such pages.
inline constexpr uint64_t kKernelPageBytes = 4096;

// Where bytes of a sample lie that can be pushed: an extent, and its place in the file.
struct SamplePiece {
  NodeNumber node = 0;
  ExtentNumber extent = 0;
  uint64_t file_offset = 0;
};

// Thread-safe, no lock. A byte for each node and one for each extent, used as they are touched.
//
// An inode that the kernel lets go of takes the bytes of all its extents along. So a node counts how often that
// happened, and what is known of an extent holds for one such count.
class KernelView {
 public:
  KernelView(uint64_t nodes, uint64_t extents) : nodes_(nodes), extents_(extents) {}

  // A reply names the node's inode: from now on its page cache can be stored into.
  void Told(NodeNumber node) {
    if ((NodeByte(node) & kKnown) == 0) nodes_[node].fetch_or(kKnown, std::memory_order_relaxed);
  }
  // The inode is gone, and its page cache with it. Whether it was known.
  bool Forgotten(NodeNumber node) {
    const uint8_t before = NodeByte(node);
    nodes_[node].store(static_cast<uint8_t>((before & ~(kKnown | kNodeRead)) + kOneLife), std::memory_order_relaxed);
    return (before & kKnown) != 0;
  }

  struct ReadEvent {
    bool was_pushed = false;   // and dropped again before this read
    bool was_control = false;  // the first read of a sample that was left out of a push on purpose
  };
  // The kernel asks for bytes of the piece.
  ReadEvent BeginRead(NodeNumber node, ExtentNumber extent) {
    if ((NodeByte(node) & (kKnown | kNodeRead)) != (kKnown | kNodeRead))
      nodes_[node].fetch_or(kKnown | kNodeRead, std::memory_order_relaxed);
    const uint8_t life = LifeOf(node);
    uint8_t before = extents_[extent].load(std::memory_order_relaxed);
    if (before == (life | kRead)) return {};
    before = extents_[extent].exchange(life | kRead, std::memory_order_relaxed);
    if ((before & kLifeMask) != life) return {};
    return {.was_pushed = (before & kPushed) != 0, .was_control = (before & kControl) != 0};
  }

  // The kernel asks for a page of its own in which one piece ends and the next one begins: that says that the node is
  // being read, and nothing about the pieces.
  void BeginSeamRead(NodeNumber node) {
    if ((NodeByte(node) & kNodeRead) == 0) nodes_[node].fetch_or(kKnown | kNodeRead, std::memory_order_relaxed);
  }

  // What the kernel was given of the extent is long ago: it will have dropped it, and shall be given it again.
  void Renew(ExtentNumber extent) { extents_[extent].store(0, std::memory_order_relaxed); }

  void Pushed(NodeNumber node, ExtentNumber extent) { Add(node, extent, kPushed); }
  // Left out of a push, so that its read is seen: one of a control group.
  void LeftOut(NodeNumber node, ExtentNumber extent) { Add(node, extent, kControl); }

  [[nodiscard]] bool IsKnown(NodeNumber node) const { return (NodeByte(node) & kKnown) != 0; }
  // Whether the kernel has asked for bytes of any extent of the node.
  [[nodiscard]] bool WasRead(NodeNumber node) const { return (NodeByte(node) & kNodeRead) != 0; }
  // Whether the kernel was given all of the extent, or it was left out: not only asked for, perhaps in part.
  [[nodiscard]] bool WasGiven(NodeNumber node, ExtentNumber extent) const {
    const uint8_t byte = extents_[extent].load(std::memory_order_relaxed);
    return (byte & kLifeMask) == LifeOf(node) && (byte & (kPushed | kControl)) != 0;
  }
  // Whether the kernel was given the extent, asked for it, or shall not be given it.
  [[nodiscard]] bool IsSettled(NodeNumber node, ExtentNumber extent) const {
    const uint8_t byte = extents_[extent].load(std::memory_order_relaxed);
    return (byte & kLifeMask) == LifeOf(node) && (byte & (kRead | kPushed | kControl)) != 0;
  }

 private:
  // The byte of a node holds two bits, and above them the count of its lives.
  static constexpr uint8_t kKnown = 1;
  static constexpr uint8_t kNodeRead = 2;
  static constexpr uint8_t kOneLife = 4;
  // The byte of an extent holds three bits, and above them the lowest bits of its node's count.
  static constexpr uint8_t kRead = 1;     // asked for by the kernel
  static constexpr uint8_t kPushed = 2;   // and not asked for since
  static constexpr uint8_t kControl = 4;  // left out of a push
  static constexpr uint8_t kLifeMask = 0xF8;

  [[nodiscard]] uint8_t NodeByte(NodeNumber node) const { return nodes_[node].load(std::memory_order_relaxed); }
  [[nodiscard]] uint8_t LifeOf(NodeNumber node) const { return static_cast<uint8_t>(NodeByte(node) / kOneLife << 3); }
  void Add(NodeNumber node, ExtentNumber extent, uint8_t flag) {
    const uint8_t life = LifeOf(node);
    uint8_t before = extents_[extent].load(std::memory_order_relaxed);
    uint8_t after = 0;
    do {
      after = static_cast<uint8_t>((before & kLifeMask) == life ? before | flag : life | flag);
    } while (!extents_[extent].compare_exchange_weak(before, after, std::memory_order_relaxed));
  }

  ZeroedArray<std::atomic<uint8_t>> nodes_;
  ZeroedArray<std::atomic<uint8_t>> extents_;
};

}  // namespace quire
