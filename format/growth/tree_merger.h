// SPDX-License-Identifier: Apache-2.0
// Compares a scanned directory with the tree of a pack that it is merged into, and finds what is new, what changed and
// what stays. Directories of the same path are merged; anything else of a name that both have is replaced, unless it is
// unchanged.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "format/growth/tree_changes.h"
#include "format/growth/tree_removal.h"
#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/index_tables.h"

namespace quire {

enum class MergeKind : uint8_t {
  kAppend,  // all that was scanned is new; what was not scanned stays
  kUpdate,  // what has the same size and mtime stays; what was not scanned goes
};

// Not thread-safe. Errors are those of the index and of the spools, and kInterrupted.
class TreeMerger {
 public:
  // All must outlive it. `scanned.tables` is set. `interrupted` may be null.
  TreeMerger(const Index& index, MergeKind kind, const std::atomic<bool>* interrupted, ScannedChanges& scanned,
             TreeChanges& changes);

  // Merges the scanned root with directory `target` of the pack. REQUIRES: that is a directory; called once.
  Result<void> Merge(NodeNumber target);
  // Makes the scanned root a new entry `name` of `folder`. REQUIRES: there is none of the name; called once.
  Result<void> Graft(NodeNumber folder, const std::string& name);

  // Of what was replaced, by kAppend.
  [[nodiscard]] const TreeCounts& gone() const { return removal_.gone(); }

 private:
  // A hard link of the pack whose name was scanned. It stays where the scanned content stays that of which it is one,
  // which is known when all is merged: which of its names has the content is another matter in the pack than in a scan.
  struct FurtherName {
    NodeNumber content = 0;  // scanned
    NodeNumber own = 0;      // content in the pack
    NodeNumber folder = 0;   // of the pack, with the record of the scanned one
    uint64_t record = 0;
  };

  Result<void> Prepare();
  Result<void> MergeDirectory(uint64_t record, NodeNumber own);
  // `scanned` and `own` have the same name in directories that are merged. Whether the entry stays.
  Result<bool> MergeEntry(NodeNumber scanned, NodeNumber own, const Node& node);
  // The same of a name of scanned content. REQUIRES: `own` is no directory, unless the content is none, and no hard
  // link.
  Result<bool> UpdateEntry(NodeNumber content, NodeNumber own, const Node& node);
  Result<bool> IsUnchanged(const Node& scanned, const Node& node);
  // `own` stays: whether something beside its content is different now. REQUIRES: `scanned` is no hard link.
  Result<void> Describe(NodeNumber scanned, NodeNumber own, const Node& node);
  Result<bool> HaveSameAttributes(const Node& scanned, const Node& own);

  const Index& index_;
  const MergeKind kind_;
  const std::atomic<bool>* const interrupted_;
  ScannedChanges& scanned_;
  const IndexTables& tables_;
  TreeChanges& changes_;
  TreeRemoval removal_;
  std::vector<FurtherName> further_names_;
  // By numbers of both, of directories and of others: most entries share a few.
  std::array<std::unordered_map<uint64_t, bool>, 2> same_attributes_;
};

}  // namespace quire
