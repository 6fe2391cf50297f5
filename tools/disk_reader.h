// SPDX-License-Identifier: Apache-2.0
// A pack read past the kernel's page cache, where that can be had: for commands that read much of it once, in large
// pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/volume/volume_source.h"
#include "format/mutex.h"
#include "format/pack/pack.h"
#include "format/pack/verifier.h"
#include "format/result.h"

namespace quire {

// Thread-safe. Memory: a page for each read at once.
class DiskReader {
 public:
  // `pack` must outlive it.
  static Result<std::unique_ptr<DiskReader>> Open(const Pack& pack, unsigned reads_at_once);

  // As ReadPackBytes. Waits for memory, and for the disk.
  Result<void> Read(uint16_t volume, uint64_t offset, size_t bytes, const UseBytes& use) {
    return Read(volume, offset, bytes, /*is_fresh=*/false, use);
  }
  // `is_fresh`: what came before was wrong, so not from what a proxy or a tier keeps.
  Result<void> Read(uint16_t volume, uint64_t offset, size_t bytes, bool is_fresh, const UseBytes& use);

 private:
  DiskReader(const Pack& pack, std::unique_ptr<Arena> arena, uint32_t slots, std::unique_ptr<VolumeSource> engine);
  Result<std::span<const std::byte>> ReadInto(uint32_t slot, uint16_t volume, uint64_t offset, size_t bytes,
                                              bool is_fresh);
  uint32_t TakeSlot();
  void ReturnSlot(uint32_t slot);

  const Pack& pack_;
  const std::unique_ptr<Arena> arena_;
  const std::unique_ptr<VolumeSource> engine_;
  Mutex mutex_;
  ConditionVariable returned_;
  std::vector<uint32_t> free_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire
