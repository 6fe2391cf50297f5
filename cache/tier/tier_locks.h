// SPDX-License-Identifier: Apache-2.0
// Locks between the processes that share a tier. All of them end with the process that holds them, however it ends:
// they are locks of open file descriptions (fcntl(2), "Open file description locks").
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "format/file.h"
#include "format/mutex.h"
#include "format/result.h"

namespace quire {

// On one byte of a file, which need not have that byte. False where another description holds it, or on any error.
bool TryLockByte(int fd, uint64_t byte, bool is_exclusive);
void UnlockByte(int fd, uint64_t byte);
// Whether another description holds a lock of the byte.
bool IsByteLocked(int fd, uint64_t byte);

// The lock under which a tier is changed, and the numbers by which its processes know each other. Thread-safe.
class TierLocks {
 public:
  // `file`: the tier's own, open for reading and writing; nobody else locks bytes of this description.
  explicit TierLocks(File file) : file_(std::move(file)) {}

  // Takes a number that nobody has, for as long as this lives. kSystem where all are taken.
  Result<void> Enter();
  [[nodiscard]] uint32_t own_number() const { return own_number_; }
  // Whether a process that took `number` still has it; this one has its own.
  [[nodiscard]] bool IsThere(uint32_t number) const;

  // Waits for the lock. False where somebody holds it for longer than `patience`: another process that is stopped or
  // waits for a disk, or a thread of this one that waits for such a process with more patience.
  bool Lock(std::chrono::milliseconds patience) QUIRE_EXCLUDES(mutex_);
  void Unlock() QUIRE_EXCLUDES(mutex_);
  // From now on nobody has patience: the process ends.
  void Hurry() QUIRE_EXCLUDES(mutex_);

  [[nodiscard]] const File& file() const { return file_; }

 private:
  void LetGo() QUIRE_EXCLUDES(mutex_);

  const File file_;
  Mutex mutex_;
  ConditionVariable let_go_;
  // By a thread of this process, which has the lock or waits for it: all of them share the description.
  bool is_taken_ QUIRE_GUARDED_BY(mutex_) = false;
  std::atomic<bool> is_hurried_ = false;
  uint32_t own_number_ = 0;
};

}  // namespace quire
