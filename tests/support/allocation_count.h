// Counts what a program takes from the heap, in all its threads, while a test asks for it: it replaces operator new.
#pragma once

#include <cstdint>

namespace quire {

// Sanitizers bring allocators of their own, and then nothing is counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCountsAllocations = false;
#else
inline constexpr bool kCountsAllocations = true;
#endif

// One count at a time.
void StartCountingAllocations();
// The calls of operator new since then.
uint64_t StopCountingAllocations();

}  // namespace quire
