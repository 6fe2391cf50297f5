// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_locks.h"

#include <fcntl.h>

#include <thread>

namespace quire {
namespace {

constexpr uint64_t kLockByte = 0;
constexpr uint64_t kFirstNumberByte = 1;
constexpr uint32_t kMostProcesses = 4096;
constexpr std::chrono::microseconds kBetweenTries(50);
constexpr std::chrono::milliseconds kHurriedPatience(20);  // changes take some ten microseconds

struct flock OnByte(uint64_t byte, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  return lock;
}

}  // namespace

bool TryLockByte(int fd, uint64_t byte, bool is_exclusive) {
  struct flock lock = OnByte(byte, is_exclusive ? F_WRLCK : F_RDLCK);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

void UnlockByte(int fd, uint64_t byte) {
  struct flock lock = OnByte(byte, F_UNLCK);
  fcntl(fd, F_OFD_SETLK, &lock);
}

bool IsByteLocked(int fd, uint64_t byte) {
  struct flock lock = OnByte(byte, F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Result<void> TierLocks::Enter() {
  for (uint32_t number = 1; number <= kMostProcesses; ++number) {
    if (!TryLockByte(file_.fd(), kFirstNumberByte + number, true)) continue;
    own_number_ = number;
    return {};
  }
  return SystemError(ENOLCK, "no place left in the tier: {} processes use it, or its file system knows no locks",
                     kMostProcesses);
}

bool TierLocks::IsThere(uint32_t number) const {
  if (number == 0 || number > kMostProcesses) return false;
  return number == own_number_ || IsByteLocked(file_.fd(), kFirstNumberByte + number);
}

bool TierLocks::Lock(std::chrono::milliseconds patience) {
  const auto began = std::chrono::steady_clock::now();
  {
    MutexLock lock(mutex_);
    const auto may_try = [this]() QUIRE_REQUIRES(mutex_) { return !is_taken_ || is_hurried_; };
    if (!let_go_.wait_until(lock, began + patience, may_try) || is_taken_) return false;
    is_taken_ = true;
  }
  while (!TryLockByte(file_.fd(), kLockByte, true)) {
    const auto waited = std::chrono::steady_clock::now() - began;
    if (waited >= patience || (is_hurried_ && waited >= kHurriedPatience)) {
      LetGo();
      return false;
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
  return true;
}

void TierLocks::Unlock() {
  UnlockByte(file_.fd(), kLockByte);
  LetGo();
}

void TierLocks::LetGo() {
  {
    const MutexLock lock(mutex_);
    is_taken_ = false;
  }
  let_go_.notify_one();
}

void TierLocks::Hurry() {
  {
    const MutexLock lock(mutex_);
    is_hurried_ = true;
  }
  let_go_.notify_all();
}

}  // namespace quire
