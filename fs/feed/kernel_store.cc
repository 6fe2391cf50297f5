// SPDX-License-Identifier: Apache-2.0
#include "fs/feed/kernel_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

#include "fs/inodes.h"

namespace quire {
namespace {

// As much as a read asks for at a time: whoever waits for a page of the sample waits for so much at most.
constexpr size_t kStoreBytes = 128 << 10;

}  // namespace

bool KernelStore::Store(const SamplePiece& piece, std::span<const std::byte> bytes) {
  if (!is_supported()) return false;
  // From one page of the kernel's to another: one that is stored in two parts is never whole for it.
  size_t next = 0;
  for (size_t offset = 0; offset < bytes.size(); offset = next) {
    if (view_.IsSettled(piece.node, piece.extent)) return false;  // its reader is there
    next = std::min(bytes.size(), offset + kStoreBytes - (piece.file_offset + offset) % kKernelPageBytes);
    const auto part = bytes.subspan(offset, next - offset);
    if (!Take(piece.node, piece.file_offset + offset, part)) return false;
  }
  view_.Pushed(piece.node, piece.extent);
  samples_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void KernelStore::StoreSeam(NodeNumber node, uint64_t file_offset, std::span<const std::byte> bytes) {
  if (is_supported() && !view_.WasRead(node)) Take(node, file_offset, bytes);
}

bool KernelStore::Take(NodeNumber node, uint64_t offset, std::span<const std::byte> bytes) {
  const int result = Notify(node, offset, bytes);
  if (result == 0) {
    bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
    return true;
  }
  refused_.fetch_add(1, std::memory_order_relaxed);
  if ((result == -ENOSYS || result == -EINVAL) && is_supported_.exchange(false))
    spdlog::info("no pushing: the kernel does not take what it did not ask for");
  return false;
}

int KernelStore::Notify(NodeNumber node, uint64_t offset, std::span<const std::byte> bytes) {
  fuse_bufvec vector = {};
  vector.count = 1;
  vector.buf[0].size = bytes.size();
  vector.buf[0].mem = const_cast<std::byte*>(bytes.data());
  // Splicing would need a pipe and saves no copy: the kernel copies out of huge pages either way.
  return fuse_lowlevel_notify_store(session_, InodeOf(node), static_cast<off_t>(offset), &vector, FUSE_BUF_NO_SPLICE);
}

}  // namespace quire
