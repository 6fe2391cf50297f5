// SPDX-License-Identifier: Apache-2.0
#include "format/write/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "format/write/output_file.h"

namespace quire {
namespace {

constexpr uint64_t kFirstBytes = 256 << 10;

}  // namespace

SpoolFile::~SpoolFile() {
  if (data_ != nullptr) munmap(data_, capacity_bytes_);
}

void SpoolFile::LetGo() const {
  // Of a shared mapping nothing is lost: what was written is in the file.
  if (data_ != nullptr) madvise(data_, capacity_bytes_, MADV_DONTNEED);
}

Result<void> SpoolFile::Grow(uint64_t bytes) {
  if (!file_.is_open()) {
    auto file = OpenUnnamed(folder_);
    if (!file) return Propagate(std::move(file));
    file_ = std::move(*file);
  }
  const uint64_t capacity = std::max({bytes, capacity_bytes_ * 2, kFirstBytes});
  if (const int error = posix_fallocate(file_.fd(), 0, static_cast<off_t>(capacity)); error != 0)
    return SystemError(error, "{}: {} bytes of temporary space for the index (--tmp takes it elsewhere)", folder_,
                       capacity);
  void* data = data_ == nullptr ? mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, file_.fd(), 0)
                                : mremap(data_, capacity_bytes_, capacity, MREMAP_MAYMOVE);
  if (data == MAP_FAILED)
    return SystemError(errno, "{}: mapping {} bytes of temporary space (--tmp takes it elsewhere)", folder_, capacity);
  data_ = static_cast<std::byte*>(data);
  capacity_bytes_ = capacity;
  return {};
}

}  // namespace quire
