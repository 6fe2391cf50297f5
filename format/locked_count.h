// SPDX-License-Identifier: Apache-2.0
// A number that is changed with a lock held, and read by any thread without it: so who only wants to know it keeps
// nobody waiting. A change is a load and a store, not an atomic addition. Numbers that are read one after the other are
// of moments a little apart.
#pragma once

#include <atomic>
#include <cstdint>

namespace quire {

class LockedCount {
 public:
  LockedCount() = default;
  LockedCount(const LockedCount&) = delete;
  LockedCount& operator=(const LockedCount&) = delete;
  ~LockedCount() = default;

  // By whoever holds the lock.
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  LockedCount& operator+=(uint64_t amount) {
    Set(get() + amount);
    return *this;
  }
  LockedCount& operator-=(uint64_t amount) {
    Set(get() - amount);
    return *this;
  }
  LockedCount& operator++() { return *this += 1; }
  LockedCount& operator--() { return *this -= 1; }

  // By anybody.
  [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

}  // namespace quire
