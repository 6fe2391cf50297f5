// SPDX-License-Identifier: Apache-2.0
// Entries that a generation has no more, with all below them, and what that means for other names of the same samples.
#pragma once

#include <atomic>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "format/growth/tree_changes.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Not thread-safe. Errors are those of the index, and kInterrupted. Memory: some 100 bytes for each name that is
// removed of a sample that has several.
class TreeRemoval {
 public:
  // All must outlive it. `interrupted` may be null.
  TreeRemoval(const Index& index, const std::atomic<bool>* interrupted, TreeChanges& changes)
      : index_(index), interrupted_(interrupted), changes_(changes) {}

  // The entry goes, and its directory is listed anew. REQUIRES: it is not the root, is listed by this generation, and
  // is not below one that was removed.
  Result<void> Remove(NodeNumber number);
  // Adds to the changes what becomes of samples that have lost some of their names. Called once, behind all removals.
  Result<void> Finish();

  // What the tree has less by it. Names that are listed anew by Finish are among them.
  [[nodiscard]] const TreeCounts& gone() const { return gone_; }

 private:
  Result<void> Take(NodeNumber number, const Node& node);
  Result<void> FindOtherNames();
  [[nodiscard]] Result<void> CheckInterrupted() const;

  const Index& index_;
  const std::atomic<bool>* const interrupted_;
  TreeChanges& changes_;
  TreeCounts gone_;
  std::unordered_map<NodeNumber, uint32_t> lost_names_;  // by content
  std::unordered_set<NodeNumber> homeless_;              // content whose own name goes
  std::unordered_map<NodeNumber, uint32_t> left_names_;  // of those that keep names: how many
};

}  // namespace quire
