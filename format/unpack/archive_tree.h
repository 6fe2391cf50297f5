// SPDX-License-Identifier: Apache-2.0
// `quire pack --from` of archives that cannot be read where they lie: a tar that is compressed, a zip with members
// that are compressed but not deflated, and whatever else libarchive reads.
//
// All of them are unpacked into temporary files before anything is packed, since a pack has its samples in another
// order than an archive, and one that is compressed is read from its begin to its end. A second pass over the archive
// in place of the files would take twice the time for decompressing, and could neither order nor compare samples for
// --dedup. Of a compressed tar the tar is unpacked, and then read as one that was never compressed; of others, the
// bytes of the members.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/pack.h"
#include "format/result.h"
#include "format/write/packed_tree.h"
#include "format/write/tree_packer.h"

namespace quire {

class ArchiveTree final : public TreeToPack {
 public:
  // What an archive has and a pack does not hold; `member` may be empty. Called by one thread at a time.
  using OnNotice = std::function<void(const std::string& archive, std::string_view member, std::string_view reason)>;

  // Whether one of the files at `paths` is an archive that can be read by this class only. False where there is none;
  // an error where it is one that is broken from its begin, or compressed and no archive, or where libarchive lacks.
  static Result<bool> IsNeededFor(const std::vector<std::string>& paths);

  // The tree that all of `paths` make, in their order; such as can be read where they lie are not unpacked.
  // `progress` outlives the tree.
  ArchiveTree(std::vector<std::string> paths, OnNotice on_notice, PackProgress& progress)
      : paths_(std::move(paths)), on_notice_(std::move(on_notice)), progress_(progress) {}

  // Unpacks, and then does as PackedTree. Of what is encrypted, broken or cut off, options.on_unreadable is told.
  // Temporary space: all that the archives hold, and 300 bytes a member. kUnreadable where an archive changed
  // meanwhile.
  Result<ScannedTree> Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                           const std::string& spool_folder) override;
  [[nodiscard]] const SampleSource& samples() const override { return tree_->samples(); }

 private:
  const std::vector<std::string> paths_;
  const OnNotice on_notice_;
  PackProgress& progress_;
  std::unique_ptr<Pack> pack_;  // the index of what was unpacked
  std::optional<PackedTree> tree_;
};

}  // namespace quire
