// SPDX-License-Identifier: Apache-2.0
// Stores a sample into the kernel's page cache before anyone asks for it: FUSE_NOTIFY_STORE. One system call and one
// copy a sample, in the place of a message there and back with two changes of thread: 2.5 us for 4 KB instead of 20 us.
//
// The kernel locks each page of the page cache while it copies, and so waits for a read of that page that is under way.
// Three rules keep that from ever becoming a deadlock:
// - only threads of their own store: no thread that answers requests or completes reads of the disk ever waits here;
// - what such a thread holds meanwhile is a pin on a page of the cache, or memory of its own, and never a lock, a slab
//   or a place in a queue: a read under way that it waits for needs none of that to be answered, since a read that
//   finds no slot is read into a slab, and slabs are pinned only by reads of the disk and by answers, which end by
//   themselves;
// - those threads are stopped while requests are still being answered, before the session ends.
// A daemon that is killed in that moment answers no more, and the thread that waits keeps the connection open, so that
// the read waits for ever, until somebody aborts the connection. So a sample that the kernel begins to read is left to
// its reader, also in the middle of a store.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "format/pack/geometry.h"
#include "fs/feed/kernel_view.h"
#include "fs/libfuse.h"

namespace quire {

class KernelStore {
 public:
  explicit KernelStore(KernelView& view) : view_(view) {}
  virtual ~KernelStore() = default;
  KernelStore(const KernelStore&) = delete;
  KernelStore& operator=(const KernelStore&) = delete;

  // REQUIRES: before the first Store; the session lives until the last one has returned.
  void Attach(fuse_session* session) { session_ = session; }

  // Stores the bytes of a piece, which stay where they are meanwhile. False where the kernel does not take them: it
  // does not know the inode, any more or yet (the reply that names it is still under way), or the mount ends. Blocks,
  // as said above; allocates nothing. Any thread of those above. REQUIRES: `bytes` is all of the piece's extent
  // that makes whole pages of the kernel's, perhaps nothing, verified. A piece that the kernel asks for meanwhile is
  // not stored to its end.
  bool Store(const SamplePiece& piece, std::span<const std::byte> bytes);
  // Likewise, of a page of the kernel's that holds the end of one piece and the begin of the next.
  void StoreSeam(NodeNumber node, uint64_t file_offset, std::span<const std::byte> bytes);

  // False once the kernel has said that it cannot do this at all.
  [[nodiscard]] bool is_supported() const { return is_supported_.load(std::memory_order_relaxed); }

  [[nodiscard]] uint64_t samples() const { return samples_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 protected:
  // 0 or a negative errno. Tests put something else in its place.
  virtual int Notify(NodeNumber node, uint64_t offset, std::span<const std::byte> bytes);

 private:
  // Notifies, and notes the answer.
  bool Take(NodeNumber node, uint64_t offset, std::span<const std::byte> bytes);

  KernelView& view_;
  fuse_session* session_ = nullptr;
  std::atomic<bool> is_supported_ = true;
  std::atomic<uint64_t> samples_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> refused_ = 0;
};

}  // namespace quire
