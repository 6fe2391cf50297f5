// SPDX-License-Identifier: Apache-2.0
// `quire append`, `quire pack --update` and `quire rm`: a further generation of a pack, by what was scanned or by what
// is to go. What is written costs what changed: new samples, and the directories whose entries are others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/growth/growing_pack.h"
#include "format/growth/tree_changes.h"
#include "format/growth/tree_merger.h"
#include "format/result.h"
#include "format/write/tree_packer.h"

namespace quire {

struct GrowthSummary {
  Superblock superblock;  // of the newest generation, also where that is the one before
  bool is_changed = false;
  TreeCounts before;
  TreeCounts after;
  uint64_t written_samples = 0;
  uint64_t index_bytes = 0;                           // of the new layer
  ScanCounts counts;                                  // of what was scanned
  std::optional<CompressionReport> compression = {};  // where new samples were to be compressed
};

// The counts that a generation tells.
TreeCounts CountsOf(const Superblock& superblock);

// Scans `tree` and adds a generation: kAppend makes it the directory `at` of the pack ("": the root), which is there or
// is a new entry of one that is; kUpdate makes the pack what the tree is, and writes nothing where it is that already.
// Duplicates are looked for among the new samples. A dry run tells of the samples that would be written, and the
// summary is what it would be, but for the bytes. Of the options, those of the output are not used, and nothing that
// cannot be read is skipped. On any error the pack has the generation that it had.
Result<GrowthSummary> GrowPack(GrowingPack& pack, TreeToPack& tree, MergeKind kind, const std::string& at,
                               const PackTreeOptions& options);

// Adds a generation without the entries `numbers`, which the newest one lists, and all below them. kInvalid for the
// root. `spool_folder`: for temporary files.
Result<GrowthSummary> RemoveFromPack(GrowingPack& pack, std::vector<NodeNumber> numbers,
                                     const std::string& spool_folder, const std::atomic<bool>* interrupted);

}  // namespace quire
