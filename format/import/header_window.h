// SPDX-License-Identifier: Apache-2.0
// The part of an archive that a reader of headers holds in memory. Where headers lie close together it reads ahead of
// them; where much data lies between them it reads little at each, so that the data is passed over and not read.
//
// The kernel is given no advice. Where headers lie 100 KB apart it reads 7.7 KB of a disk for each, with and without
// POSIX_FADV_RANDOM; where they lie 1 KB apart, reading of a disk takes 1.5 times as long with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/file.h"
#include "format/import/file_window.h"
#include "format/result.h"

namespace quire {

// Not thread-safe. Memory: kMostBytes. Errors: kSystem, and kUnreadable where the file has become shorter.
class HeaderWindow {
 public:
  // What is read where a header lies far from the last one. A pax header, its records and the header that follows them
  // fit in.
  static constexpr size_t kLeastBytes = 4096;
  // What is read where headers lie close together. From the page cache, headers of members of up to 1 KiB come at 2.4
  // million a second with 64 KiB, 256 KiB and 1 MiB alike; a disk wants some 100 KiB at a time.
  static constexpr size_t kMostBytes = 256 << 10;
  // A header so near behind the window counts as close. From the page cache a read costs about as much as copying
  // 8 KiB, from a flash drive as reading 200 KiB; this lies between the two.
  static constexpr uint64_t kNearBytes = 32 << 10;

  // `file` outlives this. REQUIRES: size_bytes <= kMaxSampleBytes.
  HeaderWindow(const File& file, uint64_t size_bytes);

  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }

  // The `length` bytes at `offset`, until the next call. REQUIRES: they lie in the file, and length <= kLeastBytes.
  Result<std::span<const std::byte>> At(uint64_t offset, size_t length);

  // Copies the bytes at `offset`; the window stays where it is. REQUIRES: they lie in the file.
  Result<void> Copy(uint64_t offset, std::span<std::byte> into);

 private:
  [[nodiscard]] Result<void> CheckLength(uint64_t offset, size_t got, size_t wanted) const;

  const File& file_;
  const uint64_t size_bytes_;
  FileWindow window_;
  size_t ahead_bytes_ = kLeastBytes;
};

}  // namespace quire
