// SPDX-License-Identifier: Apache-2.0
// The index as blocks of 64 KiB that are loaded, and checked against a tree of sums, at first touch. Where touches go
// through blocks in order, the blocks behind are read along, and ahead where a read costs a round trip. Address space
// is reserved for all of it, memory is used for what was loaded: opening costs O(1) whatever the size, damage stays in
// its block, and a truncated file is an error value instead of SIGBUS (nothing is mmapped).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "format/mutex.h"
#include "format/pack/block_flights.h"
#include "format/pack/block_runs.h"
#include "format/pack/geometry.h"
#include "format/result.h"

namespace quire {

// Where the levels of the sum tree lie, relative to the start of the index. Level 0 is the body, each further level
// the sums of the blocks of the one below, the last level one block.
struct BlockTreeGeometry {
  struct Level {
    uint64_t offset;
    uint64_t bytes;
  };
  explicit BlockTreeGeometry(uint64_t body_bytes);

  std::vector<Level> levels;
  uint64_t total_bytes;
};

// Thread-safe. Bytes once returned stay valid and unchanged until destruction.
class BlockTree {
 public:
  // Reads exactly `into.size()` bytes at `offset` of the index, or says why not. Called from any thread.
  using ReadAt = std::function<Result<void>(uint64_t offset, std::span<std::byte> into)>;

  // Begins such a read, and waits for nothing; null where it has to be waited for. Called from any thread, with a lock
  // held.
  using StartAt = std::function<std::shared_ptr<PendingRead>(uint64_t offset, uint64_t bytes)>;

  // What bytes have that are far away, where they have it.
  struct FarReads {
    StartAt start_at;
    // What came from there was wrong, or did not come: what is read next is not from what is kept on the way.
    std::function<void(uint64_t offset, uint64_t bytes)> distrust;
  };

  // Reserves address space; reads nothing. With `far.start_at` reads are begun ahead of need, and threads that need the
  // same block wait for one read of it. REQUIRES: body_bytes > 0.
  static Result<std::unique_ptr<BlockTree>> Create(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at,
                                                   FarReads far = {});
  BlockTree(const BlockTree&) = delete;
  BlockTree& operator=(const BlockTree&) = delete;
  ~BlockTree();

  // Bytes [offset, offset + bytes) of the body, loaded and verified. Blocks in I/O only at first touch, without a lock.
  // kCorrupt when the range leaves the body or a block does not match its sum, read twice; nothing damaged is ever
  // returned, and the next touch tries again. A block that was read along and is damaged, or could not be read, fails
  // who touches it.
  Result<std::span<const std::byte>> Touch(uint64_t offset, uint64_t bytes) const {
    if (offset > body_bytes_ || bytes > body_bytes_ - offset) return OutOfBody(offset, bytes);
    const std::span<const std::byte> range(base_ + offset, bytes);
    if (bytes == 0) return range;
    for (uint64_t block = offset / kBlockSize; block <= (offset + bytes - 1) / kBlockSize; ++block) {
      if (IsLoaded(0, block)) [[likely]]
        continue;
      if (auto loaded = Load(0, block); !loaded) return Propagate(std::move(loaded));
    }
    return range;
  }

  // Byte `offset` of the body will be touched soon: where a read costs a round trip, its block is asked for. Waits for
  // nothing. What lies outside of the body is none to expect.
  void Expect(uint64_t offset) const {
    if (far_.start_at != nullptr && offset < body_bytes_ && !IsLoaded(0, offset / kBlockSize))
      Begin(offset / kBlockSize);
  }

  [[nodiscard]] uint64_t loaded_bytes() const { return loaded_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kBlockSize = kBlockBytes;

  BlockTree(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at, FarReads far, std::byte* base);
  [[nodiscard]] bool IsLoaded(size_t level, uint64_t block) const {
    return (loaded_[level][block / 64].load(std::memory_order_acquire) >> (block % 64) & 1) != 0;
  }
  Result<void> Load(size_t level, uint64_t block) const;
  void Begin(uint64_t block) const;
  // What to do about a block: wait for `flight`, or where that has no read, read `count` blocks from it on.
  struct Approach {
    uint64_t count = 0;  // 0: another thread has loaded it
    BlockFlight flight;
  };
  // REQUIRES: the block was not loaded a moment ago.
  Approach Choose(size_t level, uint64_t block) const;
  Result<void> LoadFrom(const BlockFlight& flight, uint64_t block) const;
  Result<void> LoadBlocks(size_t level, uint64_t block, uint64_t count) const;
  // For a block that came wrong, or did not come.
  Result<void> LoadAlone(size_t level, uint64_t block) const;
  // The place of blocks [begin, end) in the index, of which the last one may be short.
  struct Place {
    uint64_t offset;
    uint64_t bytes;
  };
  [[nodiscard]] Place PlaceOf(size_t level, uint64_t begin, uint64_t end) const;
  // Of blocks from `block` on, those that match their sums.
  void PublishIntact(size_t level, uint64_t block, std::span<const std::byte> bytes) const;
  // Copies `bytes` of the block into place unless they do not match its sum, which false means.
  bool PublishIfIntact(size_t level, uint64_t block, std::span<const std::byte> bytes) const;
  Result<uint64_t> ExpectedSum(size_t level, uint64_t block) const;
  std::unexpected<Error> OutOfBody(uint64_t offset, uint64_t bytes) const;

  const BlockTreeGeometry geometry_;
  const uint64_t body_bytes_;
  const uint64_t root_sum_;
  const ReadAt read_at_;
  const FarReads far_;
  std::byte* const base_;                                           // reserved: geometry_.total_bytes
  mutable std::vector<std::vector<std::atomic<uint64_t>>> loaded_;  // a bit for each block of each level
  mutable Mutex publish_;  // held to copy a verified block into place; never across I/O, nor with the one below
  mutable Mutex choose_;   // held to choose what to read, and to begin a read
  mutable BlockFlights flights_ QUIRE_GUARDED_BY(choose_);  // none without a start_at
  mutable BlockRuns runs_ QUIRE_GUARDED_BY(choose_);        // of the body
  mutable std::atomic<uint64_t> loaded_bytes_ = 0;
};

}  // namespace quire
