// SPDX-License-Identifier: Apache-2.0
// The sums of a gzip file (RFC 1952), which libarchive does not compare.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "format/file.h"
#include "format/result.h"

namespace quire {

class GzipSums {
 public:
  // The next bytes that come out of the file.
  void Add(std::span<const std::byte> bytes);

  // kCorrupt where the file of `size_bytes` does not say so. It has one member or, as pigz and bgzip make it, or cat(1)
  // of several files, more, each with a sum of its own: then `unpacked`, which holds all that was added, is read again.
  // kSystem, kInterrupted.
  [[nodiscard]] Result<void> Check(const File& file, uint64_t size_bytes, const File& unpacked,
                                   const std::atomic<bool>* interrupted) const;

 private:
  uint64_t bytes_ = 0;
  uint32_t crc32_ = 0;
};

}  // namespace quire
