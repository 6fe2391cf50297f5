// SPDX-License-Identifier: Apache-2.0
// Where the bytes of volumes come from: many reads in flight, no thread waiting for any one of them. The cache knows
// volumes through this alone. One source may serve many volumes of a kind, as one serves all files.
//
// What every source keeps, whether its bytes lie in a file, behind a web server or in a tier on the node's own disk:
//
// Places. Offsets and lengths are bytes of the volume, and multiples of alignment_bytes(). What lies behind the end
// reads as a shorter result; where the end is the index says, not the source.
//
// Identity. All reads of one source are reads of one state of the volume. A source whose volume can be replaced under
// its name (an object with an ETag, a tier's entry) asks for that state with each request, and a read of another one is
// a final error. A file has identity by being open.
//
// Errors. What passes by itself (EINTR and EAGAIN of a file; a lost connection, a timeout, 429 and 5xx of a server) is
// transient, and the source repeats the request, with pauses that grow and up to a limit that it states. What `done` is
// told is final for this read: the limit was reached, or asking again cannot help (EIO, 403, 404, another state). It
// says that the bytes could not be read, which is not that they are wrong: only sums find that, and above here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cache/linked_queue.h"
#include "cache/memory/arena.h"
#include "cache/read_times.h"
#include "format/result.h"

namespace quire {

class VolumeSource;

// One read of volume bytes into memory. The caller owns it and keeps it in place until `done` was called.
struct VolumeRead {
  uint64_t offset = 0;           // in the volume; a multiple of the source's alignment
  std::byte* into = nullptr;     // aligned likewise, to 4096 at most
  uint32_t bytes = 0;            // 1 to kPageBytes; a multiple of the alignment
  uint16_t volume = 0;           // which of the volumes of the source
  bool is_of_fill = false;       // all of its page is being read
  bool is_urgent = true;         // a reader waits for it: it comes before those that nobody waits for
  bool is_fresh = false;         // what came before was wrong: not from what a tier or a proxy keeps
  bool is_of_any_state = false;  // of an object by HTTP: whether it is in another state than the one that is read

  // Called once, from a thread of the source, without any lock held; may submit further reads; must not throw.
  // `result`: the bytes read, fewer than asked for only where the volume ends; or a negative errno, which says that the
  // bytes could not be read now, and nothing about whether they are right. The source completes short reads itself, and
  // repeats what failed and may pass.
  void (*done)(VolumeRead& read, int64_t result) = nullptr;

  // For the figures of who submits, who sets all three before: when that was. The source tells how it came.
  uint64_t sent_ns = 0;
  uint64_t decode_ns = 0;                     // the time that inflating took, and reading what was inflated
  ReadStage brought_by = ReadStage::kVolume;  // or kTier, kPeers

  // The source owns these while the read is in flight.
  VolumeRead* next = nullptr;
  uint32_t got_bytes = 0;
  uint8_t failed_tries = 0;     // one after the other
  uint64_t waits_since_ns = 0;  // for another process that fetches the page; 0: it does not
  // Of a source that reads by another one: whom it tells, and itself.
  void (*done_above)(VolumeRead& read, int64_t result) = nullptr;
  VolumeSource* above = nullptr;
};

using ReadQueue = LinkedQueue<VolumeRead>;

class VolumeSource {
 public:
  VolumeSource() = default;
  VolumeSource(const VolumeSource&) = delete;
  VolumeSource& operator=(const VolumeSource&) = delete;
  // REQUIRES: nothing is in flight.
  virtual ~VolumeSource() = default;

  // Starts all reads of the list that begins at `first` and is linked by `next`. Any thread; never waits for I/O, never
  // fails (errors come through `done`), never calls `done` itself, allocates nothing. Any number may be in flight:
  // what exceeds the source's depth queues in order; a source may begin with what is urgent.
  virtual void Submit(VolumeRead* first) = 0;

  // Nobody waits any more for what is under way, and nothing new comes: reads that may take more than a second end,
  // with -ECANCELED. Any thread.
  virtual void Cancel() {}

  // The best size of one request: what is longer is better asked for in pieces of it, so that early bytes answer early.
  // A power of two, at most kPageBytes and at least alignment_bytes().
  [[nodiscard]] virtual uint32_t request_bytes() const = 0;
  // How many requests of that size in flight keep the source busy.
  [[nodiscard]] virtual uint32_t depth() const = 0;
  // How many reads that nobody waits for are best in flight at the moment, where the source finds that out as it works:
  // what is submitted beyond it waits, and is not urgent even when somebody comes to wait for it. 0: it does not find
  // that out, and who submits has to (policy/cost_meter.h). Any thread.
  [[nodiscard]] virtual uint32_t background_depth() const { return 0; }
  // Multiples of it are what offsets and lengths must be: 1 where reads are buffered, at most 4096, and a tier's units
  // of 16 KiB. Addresses are multiples of it too, or of 4096 where that is less.
  [[nodiscard]] virtual uint32_t alignment_bytes() const = 0;
  // One line for the log: "io_uring, direct reads (512 B), 1 thread". Where something better was refused, the kernel's
  // reason stands behind it in brackets.
  [[nodiscard]] virtual std::string Describe() const = 0;
};

// As of VolumeRead.
struct ReadHow {
  bool is_urgent = true;
  bool is_fresh = false;
};

// Reads `bytes` at `offset` of a volume into memory and waits: for those who read in order. Any thread
// that is not the source's. Returns the bytes read, fewer only at the end of the volume. Alignment as of VolumeRead.
// Cut into parts of request_bytes(), which are in flight together.
Result<uint32_t> ReadAndWait(VolumeSource& source, std::byte* into, uint16_t volume, uint64_t offset, uint32_t bytes,
                             ReadHow how = {});
// The same into the start of `slot`.
Result<uint32_t> ReadIntoSlot(VolumeSource& source, const Arena& arena, uint32_t slot, uint16_t volume, uint64_t offset,
                              uint32_t bytes, ReadHow how = {});

}  // namespace quire
