// SPDX-License-Identifier: Apache-2.0
// Reads everything of a pack and checks it: every sum, every number, every name, and whether they agree with each
// other. Never stops at the first fault.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "format/pack/fault_sequence.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "format/worker_pool.h"

namespace quire {

struct VerifySummary {
  uint64_t index_blocks = 0;
  uint64_t pages = 0;  // those in which extents lie
  uint64_t entries = 0;
  uint64_t extents = 0;
  uint64_t faults = 0;  // with those that were not told
};

// Reads `bytes` at `offset` of a volume, at most a page and inside of one, and calls `use` with them before it returns;
// on an error not at all. Called by several threads at once.
using UseBytes = std::function<void(std::span<const std::byte>)>;
using ReadPackBytes = std::function<Result<void>(uint16_t volume, uint64_t offset, size_t bytes, const UseBytes& use)>;

struct VerifyOptions {
  // Called by one thread at a time, in the order of the blocks of the index, then of the pages, then of the entries,
  // whichever threads find the faults. Required.
  std::function<void(const Fault&)> on_fault;
  uint64_t fault_limit = 1000;                     // how many are told; all are counted
  std::atomic<uint64_t>* bytes_done = nullptr;     // of the index and of extents; progress
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted, soon
  // Asked now and then, by several threads: why nothing more can be read, which is what the check then ends with. What
  // an outage of its server keeps from being read is no fault of a pack. May be empty.
  std::function<Result<void>()> check_source = nullptr;
  // Told of each extent of volume 0, or its coded bytes there, and each block of the index that does not match its sum
  // or cannot be read, and of the index's sums with the latter. Several threads at once. May be empty.
  std::function<void(uint64_t offset, uint64_t bytes)> on_bad_bytes = nullptr;
  ReadPackBytes read = nullptr;  // where empty: Pack::ReadRaw, into 2 MiB a thread
};

// A fault in a sample that several names share is told once for each sample (hard links aside). Errors are only those
// that end the work. Memory: no more than a small multiple of the index, and that of `options.read`.
Result<VerifySummary> VerifyPack(const Pack& pack, WorkerPool& pool, const VerifyOptions& options);

// For who verifies before anything is read: kUnsupported, with the remedy, where a volume has no sums to compare with.
Result<void> CheckHasSums(const Pack& pack);

}  // namespace quire
