// Reads a pack into slots of the arena: many reads in flight, no thread waiting for any one of them. io_uring where the
// kernel permits it, else a pool of threads; O_DIRECT where the file system permits it, else buffered reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "cache/cache_options.h"
#include "cache/memory/arena.h"
#include "format/result.h"

namespace quire {

// The unit in which a page is filled, so that early bytes answer early; also the largest read that an engine is asked
// for in one piece.
inline constexpr size_t kFillPartBytes = 256 << 10;

// One read of volume bytes into a slot. The caller owns it and keeps it in place until `done` was called.
struct FillRead {
  uint64_t offset = 0;        // in the volume; a multiple of the engine's alignment
  std::byte* into = nullptr;  // inside the slot; aligned likewise
  uint32_t bytes = 0;         // 1 to kPageBytes; a multiple of the alignment
  uint32_t slot = 0;          // of the arena, that holds all of it

  // Called once, from a thread of the engine, without any lock held; may submit further reads; must not throw.
  // `result`: the bytes read, fewer than asked for only where the volume ends; or a negative errno, which says that the
  // bytes could not be read now, and nothing about whether they are right. What passes by itself is the engine's
  // business: it completes short reads, and repeats a read that gives EINTR or EAGAIN, for a second at most.
  void (*done)(FillRead& read, int64_t result) = nullptr;

  // The engine's, while the read is in flight.
  FillRead* next = nullptr;
  uint32_t got_bytes = 0;
  uint8_t failed_tries = 0;  // one after the other
  bool is_in_own_ring = false;
};

// A slot whose memory is to be given back. The caller owns it and keeps it in place until `done` was called.
struct SlotRelease {
  uint32_t slot = 0;

  // Called once, from a thread of the engine, without any lock held; must not throw.
  void (*done)(SlotRelease& release) = nullptr;

  // The engine's, until `done` is called.
  SlotRelease* next = nullptr;
};

class FillEngine {
 public:
  FillEngine() = default;
  FillEngine(const FillEngine&) = delete;
  FillEngine& operator=(const FillEngine&) = delete;
  // REQUIRES: nothing is in flight.
  virtual ~FillEngine() = default;

  // Starts all reads of the list that begins at `first` and is linked by `next`. Any thread; never waits for I/O, never
  // fails (errors come through `done`), never calls `done` itself, allocates nothing. Any number may be in flight:
  // what exceeds the engine's depth queues in order.
  virtual void Submit(FillRead* first) = 0;

  // Lets go of a slot's memory, which a registered buffer pins: given back without this it would stay in use, and later
  // reads into the slot would fill what was there before. True: the engine holds nothing of the slot, and `done` is not
  // called. False: `done` will be. Then the memory may be given back, and once there is memory again, the slot may be
  // read into again. Any thread; never waits, allocates nothing. REQUIRES: no read into the slot is in flight, and none
  // is submitted before that.
  virtual bool ReleaseSlot(SlotRelease& release) {
    static_cast<void>(release);
    return true;
  }

  // Multiples of it are what offsets, lengths and addresses must be: 1 where reads are buffered, at most 4096.
  [[nodiscard]] virtual uint32_t alignment_bytes() const = 0;
  // One line for the log: "io_uring, direct reads (512 B), registered buffers, 1 thread". Where something better was
  // refused, the kernel's reason stands behind it in brackets. Buffers may still be refused later, as slots come into
  // use.
  [[nodiscard]] virtual std::string Describe() const = 0;
};

struct FillEngineOptions {
  IoKind io = IoKind::kAuto;
  bool direct = true;      // try O_DIRECT; false reads through the kernel's page cache
  bool registered = true;  // try registered buffers (io_uring only)
  unsigned threads = 0;    // 0: io_uring takes one for four cores, 1 to 4; the pool takes 16
};

// Opens the file behind `fd` anew (through /proc/self/fd, so that a pack renamed or replaced meanwhile stays the one
// that was opened), probes what is permitted and starts the engine's threads, which block all signals. `arena` must
// outlive the engine. Never an error for IoKind::kAuto but where threads cannot be started or `fd` is not open; kUring
// alone fails with the kernel's reason where io_uring is refused.
Result<std::unique_ptr<FillEngine>> OpenFillEngine(int fd, const Arena& arena, const FillEngineOptions& options);

// Reads `bytes` at `offset` into the start of `slot` and waits: for tools that read in order. Any thread that is not
// the engine's. Returns the bytes read, fewer only at the end of the volume. Alignment as of FillRead. Cut into parts
// of kFillPartBytes, which are in flight together.
Result<uint32_t> ReadIntoSlot(FillEngine& engine, const Arena& arena, uint32_t slot, uint64_t offset, uint32_t bytes);

}  // namespace quire
