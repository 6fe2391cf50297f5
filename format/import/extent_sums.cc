// SPDX-License-Identifier: Apache-2.0
#include "format/import/extent_sums.h"

#include <algorithm>
#include <utility>

#include "format/checksum.h"
#include "format/pack/geometry.h"
#include "format/rounding.h"
#include "format/write/resident_limit.h"

namespace quire {
namespace {

// Extents whose sums one task makes: up to 512 MiB, or some pages of small ones.
constexpr uint64_t kExtentsPerTask = 256;

}  // namespace

ExtentSums::ExtentSums(IndexTables& tables, std::vector<Archive> archives, OnDamage on_damage)
    : tables_(tables), archives_(std::move(archives)), on_damage_(std::move(on_damage)) {
  uint64_t first = 0;
  for (size_t volume = archives_.size() + 1; volume < tables_.volumes.size(); ++volume) {
    uint64_t end = first;
    while (end < tables_.coded_members.size() && tables_.coded_members[end].volume == volume) ++end;
    decoded_.push_back(std::make_unique<DecodedVolume>(
        static_cast<uint16_t>(volume), first, end,
        [&members = tables_.coded_members](uint64_t number) -> Result<CodedMember> { return members[number]; },
        [file = archives_[tables_.volumes[volume].base - 1].file](uint64_t offset, std::span<std::byte> into) {
          return file->ReadExactly(offset, into);
        },
        long_members_));
    first = end;
  }
}

Result<void> ExtentSums::Make(WorkerPool& pool, IndexProgress& progress, const std::atomic<bool>* interrupted) {
  ResidentLimit resident;
  for (const Extent& extent : tables_.extents.span()) {
    if (resident.IsReached()) tables_.LetGo();
    progress.bytes_total += extent.length_bytes;
  }
  const uint64_t count = tables_.extents.size();
  auto made = pool.ForEach(CeilDiv(count, kExtentsPerTask), [&](uint64_t task) -> Result<void> {
    std::vector<std::byte> buffer(kPageBytes);
    const uint64_t end = std::min(count, (task + 1) * kExtentsPerTask);
    for (uint64_t number = task * kExtentsPerTask; number < end; ++number) {
      if (interrupted != nullptr && *interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
      if (resident.IsReached()) tables_.LetGo();
      Extent& extent = tables_.extents[number];
      // Those of volume 0 have theirs.
      if (extent.volume > 0)
        if (auto set = SetSum(extent, buffer); !set) return set;
      progress.bytes_done += extent.length_bytes;
    }
    return {};
  });
  for (Volume& volume : tables_.volumes) volume.sum_kind = SumKind::kXxh3;
  return made;
}

Result<void> ExtentSums::SetSum(Extent& extent, std::span<std::byte> buffer) {
  const auto bytes = buffer.first(extent.length_bytes);
  auto read = IsDecoded(extent) ? decoded_[extent.volume - archives_.size() - 1]->Read(extent.offset, bytes)
                                : archives_[extent.volume - 1].file->ReadExactly(extent.offset, bytes);
  if (read) {
    extent.sum = SumOf(extent, bytes);
    return {};
  }
  if (!IsDecoded(extent) || read.error().code != ErrorCode::kCorrupt) {
    const uint16_t archive = IsDecoded(extent) ? tables_.volumes[extent.volume].base : extent.volume;
    read.error().message = fmt::format("{}: {}", archives_[archive - 1].path, read.error().message);
    return read;
  }
  on_damage_(extent, read.error().message);  // as each reader will find
  return {};
}

// The archive's own sum, if it has one, is compared before. A sum that no reader finds is kept of bytes that are not
// those which the archive means.
uint64_t ExtentSums::SumOf(const Extent& extent, std::span<const std::byte> bytes) const {
  const Volume& volume = tables_.volumes[extent.volume];
  if (volume.sum_kind != SumKind::kCrc32 || extent.sum == kUnknownCrc32 || extent.sum == Crc32(bytes))
    return Xxh3(bytes);
  on_damage_(extent, "its bytes do not have the sum that the archive states: it cannot be read");
  return ~Xxh3(bytes);
}

}  // namespace quire
