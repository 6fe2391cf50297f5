// SPDX-License-Identifier: Apache-2.0
// Counts the allocations of a whole test program, or lets them fail, for tests of what allocates nothing.
#pragma once

#include <cstdint>

namespace quire {

// Sanitizers bring allocators of their own: there nothing is counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCountsAllocations = false;
#else
inline constexpr bool kCountsAllocations = true;
#endif

// Counts calls of operator new, of all threads, while it lives. One at a time.
class AllocationCounter {
 public:
  AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;
  ~AllocationCounter();
  [[nodiscard]] uint64_t count() const;
};

// Lets operator new throw in every other thread than the one that made it, while it lives. One at a time.
class FailingAllocations {
 public:
  FailingAllocations();
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;
  ~FailingAllocations();
};

}  // namespace quire
