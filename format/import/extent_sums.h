// SPDX-License-Identifier: Apache-2.0
// Reads all bytes of archives that are indexed, and gives each extent a sum as those of a pack have.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"
#include "format/import/archive_indexer.h"
#include "format/pack/decoded_volume.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/index_tables.h"

namespace quire {

class ExtentSums {
 public:
  struct Archive {
    const File* file = nullptr;
    std::string path;  // for messages
  };
  // Told of an extent whose bytes are not those that the archive means, by any thread.
  using OnDamage = std::function<void(const Extent& extent, std::string_view reason)>;

  // `tables` has all extents; volumes 1 and up are `archives`, and what is decoded from them. All must outlive this.
  ExtentSums(IndexTables& tables, std::vector<Archive> archives, OnDamage on_damage);

  // Sets the sum of each extent, and that of a damaged one so that no reader finds it right; counts bytes in
  // `progress`. Blocks in I/O. kSystem, and kInterrupted once `interrupted`, which may be null, is set.
  Result<void> Make(WorkerPool& pool, IndexProgress& progress, const std::atomic<bool>* interrupted);

 private:
  [[nodiscard]] bool IsDecoded(const Extent& extent) const { return extent.volume > archives_.size(); }
  Result<void> SetSum(Extent& extent, std::span<std::byte> buffer);
  [[nodiscard]] uint64_t SumOf(const Extent& extent, std::span<const std::byte> bytes) const;

  IndexTables& tables_;
  const std::vector<Archive> archives_;  // by volume less 1
  const OnDamage on_damage_;
  LongMembers long_members_;
  std::vector<std::unique_ptr<DecodedVolume>> decoded_;  // behind the archives, by volume
};

}  // namespace quire
