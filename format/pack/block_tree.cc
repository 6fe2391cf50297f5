// SPDX-License-Identifier: Apache-2.0
#include "format/pack/block_tree.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/rounding.h"

namespace quire {

BlockTreeGeometry::BlockTreeGeometry(uint64_t body_bytes) {
  levels.push_back({.offset = 0, .bytes = body_bytes});
  while (true) {
    const Level below = levels.back();
    const uint64_t end = below.offset + below.bytes;
    if (levels.size() > 1 && below.bytes <= kBlockBytes) {
      total_bytes = end;
      return;
    }
    levels.push_back({.offset = AlignUp(end, kSectionAlign), .bytes = CeilDiv(below.bytes, kBlockBytes) * 8});
  }
}

Result<std::unique_ptr<BlockTree>> BlockTree::Create(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at) {
  const uint64_t total = BlockTreeGeometry(body_bytes).total_bytes;
  void* base = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return SystemError(errno, "index: cannot reserve {} bytes of address space", total);
  return std::unique_ptr<BlockTree>(
      new BlockTree(body_bytes, root_sum, std::move(read_at), static_cast<std::byte*>(base)));
}

BlockTree::BlockTree(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at, std::byte* base)
    : geometry_(body_bytes),
      body_bytes_(body_bytes),
      root_sum_(root_sum),
      read_at_(std::move(read_at)),
      base_(base),
      runs_(CeilDiv(body_bytes, kBlockBytes)) {
  for (const auto& level : geometry_.levels) loaded_.emplace_back(CeilDiv(CeilDiv(level.bytes, kBlockBytes), 64));
}

BlockTree::~BlockTree() { munmap(base_, geometry_.total_bytes); }

Result<uint64_t> BlockTree::ExpectedSum(size_t level, uint64_t block) const {
  if (level + 1 == geometry_.levels.size()) return root_sum_;
  const uint64_t sum_block = block * 8 / kBlockBytes;
  if (!IsLoaded(level + 1, sum_block))
    if (auto loaded = Load(level + 1, sum_block); !loaded) return Propagate(std::move(loaded));
  return LoadUint<8>({base_ + geometry_.levels[level + 1].offset + block * 8, 8}, 0);
}

uint64_t BlockTree::BlocksToRead(size_t level, uint64_t block) const {
  if (level > 0) return 1;  // one sum block covers 512 MiB of the body
  const MutexLock lock(choose_);
  return runs_.Extend(block, [this](uint64_t number) { return IsLoaded(0, number); });
}

// Two threads may load the same block at once: the second publishes nothing. That costs a read of 64 KiB at worst, and
// saves a lock across I/O.
Result<void> BlockTree::Load(size_t level, uint64_t block) const {
  if (const auto expected = ExpectedSum(level, block); !expected) return std::unexpected(expected.error());
  const auto [level_offset, level_bytes] = geometry_.levels[level];
  const uint64_t offset = block * kBlockBytes;
  const uint64_t count = BlocksToRead(level, block);
  const uint64_t bytes = std::min<uint64_t>(count * kBlockBytes, level_bytes - offset);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes);
  std::span<const std::byte> read(buffer.get(), bytes);
  const auto first = read.first(std::min<uint64_t>(kBlockBytes, bytes));
  const auto read_alone = [&] { return read_at_(level_offset + offset, {buffer.get(), first.size()}); };
  auto done = read_at_(level_offset + offset, {buffer.get(), bytes});
  if (!done && count > 1) {  // perhaps because of what nobody asked for
    read = first;
    done = read_alone();
  }
  if (!done) return done;

  const bool is_intact = PublishIfIntact(level, block, first);
  for (uint64_t i = 1; i * kBlockBytes < read.size(); ++i) {
    const auto along = read.subspan(i * kBlockBytes);
    PublishIfIntact(level, block + i, along.first(std::min<uint64_t>(kBlockBytes, along.size())));
  }
  if (is_intact) return {};
  // What came wrong may have been harmed on its way only.
  if (read_alone() && PublishIfIntact(level, block, first)) return {};
  if (level == 0)
    return Corrupt("index block {} (bytes {} to {} of the index): checksum mismatch", block, offset,
                   offset + first.size());
  return Corrupt("index sum block {} of level {}: checksum mismatch", block, level);
}

bool BlockTree::PublishIfIntact(size_t level, uint64_t block, std::span<const std::byte> bytes) const {
  const auto expected = ExpectedSum(level, block);
  if (!expected || Xxh3(bytes) != *expected) return false;
  const MutexLock lock(publish_);
  if (IsLoaded(level, block)) return true;
  std::memcpy(base_ + geometry_.levels[level].offset + block * kBlockBytes, bytes.data(), bytes.size());
  loaded_[level][block / 64].fetch_or(uint64_t{1} << (block % 64), std::memory_order_release);
  loaded_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
  return true;
}

std::unexpected<Error> BlockTree::OutOfBody(uint64_t offset, uint64_t bytes) const {
  return Corrupt("index: {} bytes at {} lie outside of its {} bytes", bytes, offset, body_bytes_);
}

}  // namespace quire
