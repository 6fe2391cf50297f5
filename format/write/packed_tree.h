// SPDX-License-Identifier: Apache-2.0
// What another pack holds, which is packed again: in another order, in part, or into a pack of its own where it was the
// index of archives. Nothing is unpacked: the names come from its index, the bytes out of its volumes.
#pragma once

#include <optional>
#include <string>

#include "format/pack/pack.h"
#include "format/result.h"
#include "format/write/sample_source.h"
#include "format/write/spool.h"
#include "format/write/tree_packer.h"

namespace quire {

// The bytes of samples that lie in a pack, each extent checked before any of its bytes is used. Thread-safe. Memory: a
// page for each thread that reads.
class PackedSamples final : public SampleSource {
 public:
  // `nodes`: by node of the new pack, that of `pack` with its content. Both must outlive it.
  PackedSamples(const Pack& pack, const Spool<NodeNumber>& nodes) : pack_(pack), nodes_(nodes) {}
  [[nodiscard]] Result<void> Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const override;

 private:
  [[nodiscard]] Result<void> ReadFrom(const Extent& extent, uint32_t at, std::span<std::byte> into) const;

  const Pack& pack_;
  const Spool<NodeNumber>& nodes_;
};

class PackedTree final : public TreeToPack {
 public:
  // `pack` must outlive it.
  explicit PackedTree(const Pack& pack) : pack_(pack) {}

  // The tree as `quire extract` would make it of the pack, and ScanTree read it then. Entries that cannot be read, by
  // damage or because the pack lies, are told to options.on_unreadable; those whose names cannot be read are told
  // together, by their directory. Memory: 32 bytes a hard link, 100 a sample
  // with holes and 16 for each run of its data, and the pack's index.
  Result<ScannedTree> Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                           const std::string& spool_folder) override;
  [[nodiscard]] const SampleSource& samples() const override { return *source_; }

 private:
  const Pack& pack_;
  std::optional<Spool<NodeNumber>> nodes_;
  std::optional<PackedSamples> source_;
};

}  // namespace quire
