// SPDX-License-Identifier: Apache-2.0
#include "tools/disk_reader.h"

#include <algorithm>

#include "cache/volume/pack_volumes.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"

namespace quire {

Result<std::unique_ptr<DiskReader>> DiskReader::Open(const Pack& pack, unsigned reads_at_once) {
  // However small the pack: with other volumes it is an index of larger files.
  const uint64_t pages = pack.volume_count() > 1 ? reads_at_once : CeilDiv(pack.superblock().pack_bytes, kPageBytes);
  const auto slots = static_cast<uint32_t>(std::clamp<uint64_t>(pages, 1, reads_at_once));
  // Not the reserved huge pages, which are meant for mounts.
  auto arena = Arena::Create(slots, HugePages::kThp);
  if (!arena) return Propagate(std::move(arena));
  // Fewer are slower, and the first is there.
  const uint32_t populated = (*arena)->PopulateAll();
  auto engine = OpenPackVolumes(pack, FileSourceOptions());
  if (!engine) return Propagate(std::move(engine));
  return std::unique_ptr<DiskReader>(new DiskReader(pack, *std::move(arena), populated, *std::move(engine)));
}

DiskReader::DiskReader(const Pack& pack, std::unique_ptr<Arena> arena, uint32_t slots,
                       std::unique_ptr<VolumeSource> engine)
    : pack_(pack), arena_(std::move(arena)), engine_(std::move(engine)) {
  for (uint32_t slot = 0; slot < slots; ++slot) free_.push_back(slot);
}

Result<void> DiskReader::Read(uint16_t volume, uint64_t offset, size_t bytes, bool is_fresh, const UseBytes& use) {
  if (auto had = pack_.CheckVolume(volume); !had) return had;
  const uint32_t slot = TakeSlot();
  auto read = ReadInto(slot, volume, offset, bytes, is_fresh);
  if (read) use(*read);
  ReturnSlot(slot);
  return read ? Result<void>() : Propagate(std::move(read));
}

Result<std::span<const std::byte>> DiskReader::ReadInto(uint32_t slot, uint16_t volume, uint64_t offset, size_t bytes,
                                                        bool is_fresh) {
  // Direct reads begin and end at multiples of the alignment; a page does, so what is inside of one fits a slot.
  const uint64_t alignment = engine_->alignment_bytes();
  const uint64_t begin = offset / alignment * alignment;
  const uint64_t end = AlignUp(offset + bytes, alignment);
  auto got =
      ReadIntoSlot(*engine_, *arena_, slot, volume, begin, static_cast<uint32_t>(end - begin), {.is_fresh = is_fresh});
  if (!got) return Propagate(std::move(got));
  if (*got < offset + bytes - begin) return Corrupt("truncated: ends at byte {}", begin + *got);
  return std::span<const std::byte>(arena_->slot(slot)).subspan(offset - begin, bytes);
}

uint32_t DiskReader::TakeSlot() {
  MutexLock lock(mutex_);
  returned_.wait(lock, [this]() QUIRE_REQUIRES(mutex_) { return !free_.empty(); });
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void DiskReader::ReturnSlot(uint32_t slot) {
  const MutexLock lock(mutex_);
  free_.push_back(slot);
  returned_.notify_one();
}

}  // namespace quire
