// SPDX-License-Identifier: Apache-2.0
// Records from the threads that answer requests to the one that takes them: a ring of bounded size, without a lock (D.
// Vyukov's bounded queue: each slot has the number of the turn in which it may be written or read). Where it is full a
// record is lost, which its writer is told; nobody waits.
//
// The ring gets its memory when it is first wanted, and keeps it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace quire {

template <typename Record, size_t kRecords>
class RecordRing {
 public:
  // Any thread. False where the record is lost.
  bool Add(const Record& record) {
    Slot* const slots = slots_.load(std::memory_order_acquire);
    if (slots == nullptr) return false;
    uint64_t turn = next_written_.load(std::memory_order_relaxed);
    while (true) {
      Slot& slot = slots[turn % kRecords];
      const uint64_t ready = slot.turn.load(std::memory_order_acquire);
      if (ready == turn) {
        if (!next_written_.compare_exchange_weak(turn, turn + 1, std::memory_order_relaxed)) continue;
        slot.record = record;
        slot.turn.store(turn + 1, std::memory_order_release);
        return true;
      }
      if (ready < turn) return false;  // what was written a round ago has not been taken
      turn = next_written_.load(std::memory_order_relaxed);
    }
  }

  // --- For one thread at a time.

  // False where there is no memory for it.
  bool Prepare() {
    if (memory_ != nullptr) return true;
    memory_.reset(new (std::nothrow) Slot[kRecords]);
    if (memory_ == nullptr) return false;
    for (size_t i = 0; i < kRecords; ++i) memory_[i].turn.store(i, std::memory_order_relaxed);
    slots_.store(memory_.get(), std::memory_order_release);
    return true;
  }

  // Appends what came to `records`, `most` of them. REQUIRES: Prepare has been right.
  void Take(std::vector<Record>& records, size_t most) {
    while (most-- > 0) {
      Slot& slot = memory_[next_read_ % kRecords];
      if (slot.turn.load(std::memory_order_acquire) != next_read_ + 1) return;
      records.push_back(slot.record);
      slot.turn.store(next_read_ + kRecords, std::memory_order_release);
      ++next_read_;
    }
  }

 private:
  struct Slot {
    std::atomic<uint64_t> turn = 0;
    Record record;
  };

  std::atomic<Slot*> slots_ = nullptr;
  std::unique_ptr<Slot[]> memory_;
  alignas(64) std::atomic<uint64_t> next_written_ = 0;
  alignas(64) uint64_t next_read_ = 0;
};

}  // namespace quire
