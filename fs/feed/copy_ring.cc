// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/copy_ring.h"

#include <sys/mman.h>

#include <cassert>
#include <cerrno>
#include <new>

namespace quire {

CopyRing::CopyRing(size_t bytes) : size_bytes_(bytes), memory_(bytes) {
  madvise(&memory_[0], bytes, MADV_DONTDUMP);  // samples, as in the arena
  // EINVAL: before Linux 5.14. Then the memory comes as it is written to.
  if (madvise(&memory_[0], bytes, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) throw std::bad_alloc();
}

std::span<std::byte> CopyRing::Take(size_t bytes) {
  assert(bytes > 0);
  size_t at = end_;
  if (taken_ > 0 && end_ <= begin_) {
    if (bytes > begin_ - end_) return {};
  } else if (bytes > size_bytes_ - end_) {
    if (bytes > begin_) return {};
    at = 0;  // what is left at the end is left out
  }
  ++taken_;
  end_ = at + bytes;
  return {&memory_[at], bytes};
}

void CopyRing::Return(std::span<std::byte> piece) {
  assert(taken_ > 0);
  begin_ = static_cast<size_t>(piece.data() - &memory_[0]) + piece.size();
  if (--taken_ == 0) begin_ = end_ = 0;  // the next piece finds memory that the processor has at hand
}

}  // namespace quire
