// SPDX-License-Identifier: Apache-2.0
// A growable array that lives in an unnamed temporary file: the kernel may write it out when memory is short, so
// building the index of a hundred million samples needs disk, not memory. The space is allocated before it is touched:
// a full disk is an error value, not SIGBUS.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// The untyped part. Not thread-safe.
class SpoolFile {
 public:
  // The file is made in `folder` at first growth.
  explicit SpoolFile(std::string folder) : folder_(std::move(folder)) {}
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;
  ~SpoolFile();

  // Makes room for `bytes` in all; addresses given out before become invalid.
  Result<void> Reserve(uint64_t bytes) { return bytes <= capacity_bytes_ ? Result<void>() : Grow(bytes); }
  [[nodiscard]] std::byte* data() const { return data_; }
  // Takes its pages out of the memory of this process; the kernel keeps them as it keeps those of any file. Beside
  // other threads that read or write elements, not beside Reserve.
  void LetGo() const;

 private:
  Result<void> Grow(uint64_t bytes);

  const std::string folder_;
  File file_;
  std::byte* data_ = nullptr;
  uint64_t capacity_bytes_ = 0;
};

// Appending is for one thread; elements may be written by several, each its own, while none appends.
template <typename T>
class Spool {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit Spool(const std::string& folder) : file_(folder) {}

  Result<void> Append(const T& value) { return Append(std::span(&value, 1)); }
  Result<void> Append(std::span<const T> values) {
    if (auto room = file_.Reserve((size_ + values.size()) * sizeof(T)); !room) return room;
    for (const T& value : values) data()[size_++] = value;
    return {};
  }
  // REQUIRES: size <= size().
  void Truncate(uint64_t size) {
    assert(size <= size_);
    size_ = size;
  }

  void LetGo() const { file_.LetGo(); }

  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  T& operator[](uint64_t i) { return data()[i]; }
  const T& operator[](uint64_t i) const { return data()[i]; }
  [[nodiscard]] std::span<const T> span() const { return {data(), size_}; }

 private:
  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(file_.data()); }

  SpoolFile file_;
  uint64_t size_ = 0;
};

}  // namespace quire
