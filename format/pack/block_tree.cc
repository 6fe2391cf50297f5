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

Result<std::unique_ptr<BlockTree>> BlockTree::Create(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at,
                                                     FarReads far) {
  const uint64_t total = BlockTreeGeometry(body_bytes).total_bytes;
  void* base = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return SystemError(errno, "index: cannot reserve {} bytes of address space", total);
  return std::unique_ptr<BlockTree>(
      new BlockTree(body_bytes, root_sum, std::move(read_at), std::move(far), static_cast<std::byte*>(base)));
}

BlockTree::BlockTree(uint64_t body_bytes, uint64_t root_sum, ReadAt read_at, FarReads far, std::byte* base)
    : geometry_(body_bytes),
      body_bytes_(body_bytes),
      root_sum_(root_sum),
      read_at_(std::move(read_at)),
      far_(std::move(far)),
      base_(base),
      flights_([this](size_t level, uint64_t begin, uint64_t end) {
        const auto [offset, bytes] = PlaceOf(level, begin, end);
        return far_.start_at == nullptr ? nullptr : far_.start_at(offset, bytes);
      }),
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

BlockTree::Place BlockTree::PlaceOf(size_t level, uint64_t begin, uint64_t end) const {
  const auto [level_offset, level_bytes] = geometry_.levels[level];
  const uint64_t offset = begin * kBlockBytes;
  return {.offset = level_offset + offset, .bytes = std::min(end * kBlockBytes, level_bytes) - offset};
}

BlockTree::Approach BlockTree::Choose(size_t level, uint64_t block) const {
  const auto is_loaded = [this](uint64_t number) { return IsLoaded(0, number); };
  const MutexLock lock(choose_);
  if (IsLoaded(level, block)) return {};
  Approach approach{.count = 1, .flight = {}};  // one sum block covers 512 MiB of the body
  const BlockFlight* flight = flights_.Find(level, block);
  if (level == 0) approach.count = runs_.Extend(block, is_loaded, flight == nullptr ? 0 : flight->end - block);
  if (flight == nullptr) flight = flights_.Begin(level, block, block + approach.count);
  if (flight == nullptr) return approach;
  approach.flight = *flight;
  if (level == 0)
    runs_.ExtendAhead(block + approach.count, is_loaded,
                      [this](uint64_t begin, uint64_t end, uint64_t piece)
                          QUIRE_REQUIRES(choose_) { return flights_.BeginAhead(begin, end, piece); });
  return approach;
}

void BlockTree::Begin(uint64_t block) const {
  const MutexLock lock(choose_);
  if (!IsLoaded(0, block) && flights_.Find(0, block) == nullptr) flights_.BeginAhead(block, block + 1, 1);
}

Result<void> BlockTree::Load(size_t level, uint64_t block) const {
  const Approach approach = Choose(level, block);
  if (approach.count == 0) return {};
  return approach.flight.read == nullptr ? LoadBlocks(level, block, approach.count) : LoadFrom(approach.flight, block);
}

Result<void> BlockTree::LoadFrom(const BlockFlight& flight, uint64_t block) const {
  // The sums come while the block does: one round trip, not two.
  const auto expected = ExpectedSum(flight.level, block);
  if (const auto bytes = flight.read->Wait(); expected && !bytes.empty())
    PublishIntact(flight.level, flight.begin, bytes);
  if (flight.read->has_ended()) {
    const MutexLock lock(choose_);
    flights_.Forget(flight.read);
  }
  if (!expected) return std::unexpected(expected.error());
  return IsLoaded(flight.level, block) ? Result<void>() : LoadAlone(flight.level, block);
}

// Two threads may load the same block at once: the second publishes nothing. That costs a read of 64 KiB at worst, and
// saves a lock across I/O.
Result<void> BlockTree::LoadBlocks(size_t level, uint64_t block, uint64_t count) const {
  if (const auto expected = ExpectedSum(level, block); !expected) return std::unexpected(expected.error());
  const auto [offset, bytes] = PlaceOf(level, block, block + count);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes);
  const std::span<std::byte> read(buffer.get(), bytes);
  if (auto done = read_at_(offset, read); done)
    PublishIntact(level, block, read);
  else if (count == 1)
    return done;
  // Alone, where the fault may be of what nobody asked for, or the bytes were harmed on their way only.
  return IsLoaded(level, block) ? Result<void>() : LoadAlone(level, block);
}

Result<void> BlockTree::LoadAlone(size_t level, uint64_t block) const {
  const auto [offset, bytes] = PlaceOf(level, block, block + 1);
  if (far_.distrust != nullptr) far_.distrust(offset, bytes);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(bytes);
  const std::span<std::byte> read(buffer.get(), bytes);
  if (auto done = read_at_(offset, read); !done) return done;
  if (PublishIfIntact(level, block, read)) return {};
  if (level == 0)
    return Corrupt("index block {} (bytes {} to {} of the index): checksum mismatch", block, offset, offset + bytes);
  return Corrupt("index sum block {} of level {}: checksum mismatch", block, level);
}

void BlockTree::PublishIntact(size_t level, uint64_t block, std::span<const std::byte> bytes) const {
  for (; !bytes.empty(); ++block) {
    const auto one = bytes.first(std::min<size_t>(kBlockBytes, bytes.size()));
    PublishIfIntact(level, block, one);
    bytes = bytes.subspan(one.size());
  }
}

bool BlockTree::PublishIfIntact(size_t level, uint64_t block, std::span<const std::byte> bytes) const {
  if (IsLoaded(level, block)) return true;
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
