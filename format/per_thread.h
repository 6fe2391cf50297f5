// SPDX-License-Identifier: Apache-2.0
// What each thread has one of, for as long as it lives: memory that it would else allocate for each sample.
//
// A thread_local whose destructor does something would do, but glibc ends the program where it has no memory left to
// note that destructor. Here that is std::bad_alloc, like every other want of memory. pthread_key_create(3).
#pragma once

#include <pthread.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace quire {

// Lives as long as the program: a static of the function that uses it. Thread-safe.
template <typename T>
class PerThread {
 public:
  PerThread() {
    if (pthread_key_create(&key_, [](void* own) { delete static_cast<T*>(own); }) != 0) throw std::bad_alloc();
  }
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;

  // This thread's, which is made when it first asks.
  T& Get() {
    if (void* const own = pthread_getspecific(key_)) return *static_cast<T*>(own);
    auto made = std::make_unique<T>();
    if (pthread_setspecific(key_, made.get()) != 0) throw std::bad_alloc();
    return *made.release();
  }

 private:
  pthread_key_t key_ = {};
};

// What a library makes and frees; null where it has no memory for it.
template <auto kMake, auto kFree>
class LibraryContext {
 public:
  LibraryContext() = default;
  LibraryContext(const LibraryContext&) = delete;
  LibraryContext& operator=(const LibraryContext&) = delete;
  ~LibraryContext() { kFree(context_); }
  [[nodiscard]] auto* get() const { return context_; }

 private:
  decltype(kMake()) context_ = kMake();
};

// Memory that nothing was written to.
template <size_t kBytes>
class FixedBuffer {
 public:
  [[nodiscard]] std::span<std::byte> span() const { return {bytes_.get(), kBytes}; }

 private:
  std::unique_ptr<std::byte[]> bytes_ = std::make_unique_for_overwrite<std::byte[]>(kBytes);
};

}  // namespace quire
