// SPDX-License-Identifier: Apache-2.0
// Moves bytes of samples from the volumes of a pack into files, checked against their sums.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "format/file.h"
#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/disk_reader.h"
#include "tools/extract/extract_plan.h"

namespace quire {

// Thread-safe.
class SampleCopy {
 public:
  // Both must outlive it.
  SampleCopy(const Pack& pack, DiskReader& disk) : pack_(pack), disk_(disk) {}

  // Calls `use` for each of `pieces`, in order, with its bytes as they are on disk, or with why they cannot be read.
  // Neighbours are read at once. `use` returns false to end it. REQUIRES: each piece lies in one page.
  using UsePiece = std::function<bool(const Piece& piece, Result<std::span<const std::byte>> bytes)>;
  void Read(std::span<const Piece> pieces, const UsePiece& use);

  // kCorrupt where `bytes` are not those of `extent`.
  Result<void> Check(const Extent& extent, std::span<const std::byte> bytes) const;

  // Puts the bytes of `extent`, which were read and checked, at `offset` of `file`: as a share of the pack's own blocks
  // where the file system can and they are aligned, else by writing.
  Result<void> Write(const File& file, uint64_t offset, const Extent& extent, std::span<const std::byte> bytes);

 private:
  bool Share(const File& file, uint64_t offset, const Extent& extent);

  const Pack& pack_;
  DiskReader& disk_;
  std::atomic<bool> can_share_ = true;
};

}  // namespace quire
