// SPDX-License-Identifier: Apache-2.0
#include "tests/support/count_allocations.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {
std::atomic<bool> is_counting = false;
std::atomic<uint64_t> allocations = 0;
std::atomic<bool> is_failing = false;
thread_local bool may_allocate = false;  // while others fail
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Not inlined, or the compiler sees malloc's memory deleted and warns.
[[gnu::noinline]] void* operator new(size_t bytes) {
  if (is_counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (is_failing.load(std::memory_order_relaxed) && !may_allocate) throw std::bad_alloc();
  if (void* const memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDelete): the analyzer takes free(3) in here for a second release.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t /*bytes*/) noexcept { std::free(memory); }
// NOLINTEND(clang-analyzer-cplusplus.NewDelete)
#endif

namespace quire {

AllocationCounter::AllocationCounter() {
  allocations = 0;
  is_counting = true;
}

AllocationCounter::~AllocationCounter() { is_counting = false; }

FailingAllocations::FailingAllocations() {
  may_allocate = true;
  is_failing = true;
}

FailingAllocations::~FailingAllocations() { is_failing = false; }

uint64_t AllocationCounter::count() const { return allocations; }

}  // namespace quire
