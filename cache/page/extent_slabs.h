// SPDX-License-Identifier: Apache-2.0
// Where extents are that were read alone: a few slots of the arena, filled from front to back and emptied as a whole,
// the oldest first. So an extent that the kernel asks for in several requests is read once, memory never fragments, and
// it lies in the same huge memory as pages do. The first slabs have memory from the start; further ones get it when
// those do not suffice.
// Not thread-safe, but for Unpin: the cache's lock guards it. Allocates in its constructor only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/page/extent_read.h"
#include "cache/volume/volume_source.h"
#include "format/pack/records.h"

namespace quire {

class ExtentSlabs {
 public:
  // Absent -> filling (Allocate) -> filled -> absent (its slab was emptied), or filling -> absent (Discard).
  // The VolumeRead describes the aligned range around the extent.
  struct Entry : VolumeRead {
    PageCache* cache = nullptr;
    ExtentNumber number = 0;
    Extent extent;
    uint32_t slot = 0;         // the slab
    uint32_t begin = 0;        // of the extent's first byte, in it
    uint32_t given_bytes = 0;  // to readers, of its bytes
    bool is_filled = false;
    bool was_wrong = false;  // came with wrong bytes, and is being read once more
    ExtentReadQueue waiters;

    Entry* next_in_bucket = nullptr;
    Entry* next_in_slab = nullptr;  // or in the list of unused entries
  };

  // Uses the slots [0, slabs) of `arena` as far as they are populated.
  ExtentSlabs(const Arena& arena, uint32_t slabs, uint32_t alignment_bytes);

  [[nodiscard]] uint32_t slab_count() const { return static_cast<uint32_t>(slabs_.size()); }

  // Null where there is none.
  [[nodiscard]] Entry* Find(ExtentNumber number) const;
  // A new entry, filling, with memory and its VolumeRead set, pinned once. Null when there is no room: every slab that
  // could be emptied is pinned. REQUIRES: no entry of that number.
  Entry* Allocate(ExtentNumber number, const Extent& extent);
  // Forgets an entry whose read failed; its memory comes back with its slab.
  void Discard(Entry& entry);

  // A slab without memory, which the caller is to get some for; nothing where there is none, or while one is coming.
  std::optional<uint32_t> TakeBare();
  // The slab has its memory, or there was none to be had.
  void GotMemory(uint32_t slab) { slabs_[slab].is_coming = false; }
  // Gives the memory of all but the first slabs back, where nobody uses it.
  void ReleaseMemory(Arena& arena);

  void Pin(uint32_t slot) { slabs_[slot].pins.fetch_add(1, std::memory_order_relaxed); }
  // Returns whether that was the last pin. Any thread, without the lock.
  bool Unpin(uint32_t slot) { return slabs_[slot].pins.fetch_sub(1, std::memory_order_seq_cst) == 1; }

 private:
  // What entries occupy is rounded up to this, which bounds their number by memory.
  static constexpr uint32_t kUnitBytes = 4096;

  struct Slab {
    std::atomic<uint32_t> pins = 0;
    uint32_t used_bytes = 0;
    bool is_coming = false;  // a thread gets memory for it
    Entry* entries = nullptr;
  };

  // Makes an empty slab the current one; false when each is pinned.
  bool Rotate();
  void Empty(Slab& slab);
  void Forget(Entry& entry);
  [[nodiscard]] Entry*& Bucket(ExtentNumber number) { return buckets_[number & (buckets_.size() - 1)]; }

  const Arena& arena_;
  const uint32_t alignment_bytes_;
  std::vector<Slab> slabs_;
  std::vector<Entry> entries_;
  std::vector<Entry*> buckets_;
  Entry* unused_ = nullptr;
  uint32_t current_ = 0;
};

}  // namespace quire
