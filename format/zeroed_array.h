// SPDX-License-Identifier: Apache-2.0
// A fixed array of zeros whose memory is used as it is touched: for tables as long as the pack or a part of it,
// which may be of any size while only a small part of it is ever read.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>

namespace quire {

template <typename T>
class ZeroedArray {
  static_assert(std::is_trivially_destructible_v<T>, "nothing is destroyed");

 public:
  // All-zero bytes must be a valid T. Throws std::bad_alloc where the address space is limited.
  explicit ZeroedArray(size_t count) : bytes_(count * sizeof(T)) {
    if (count == 0) return;
    void* const mapped =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    elements_ = static_cast<T*>(mapped);
  }
  ZeroedArray(const ZeroedArray&) = delete;
  ZeroedArray& operator=(const ZeroedArray&) = delete;
  ~ZeroedArray() {
    if (elements_ != nullptr) munmap(elements_, bytes_);
  }

  [[nodiscard]] T& operator[](size_t index) { return elements_[index]; }
  [[nodiscard]] const T& operator[](size_t index) const { return elements_[index]; }

 private:
  const size_t bytes_;
  T* elements_ = nullptr;
};

}  // namespace quire
