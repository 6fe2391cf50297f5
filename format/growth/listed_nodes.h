// SPDX-License-Identifier: Apache-2.0
// Which nodes of a pack its generation lists: nodes are for ever, and those that were removed or replaced are still
// there.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Not thread-safe. Errors are those of the index. Memory: 40 bytes for each directory on the ways that were walked.
class ListedNodes {
 public:
  // All must outlive it. What is in `removed` counts as listed no more, with all below it; null for none.
  explicit ListedNodes(const Index& index, const std::unordered_set<NodeNumber>* removed = nullptr)
      : index_(index), removed_(removed) {}

  // Whether each directory on the way up from node `number` lists the one below. O(depth * log entries).
  // REQUIRES: it is a node.
  Result<bool> Has(NodeNumber number);

 private:
  const Index& index_;
  const std::unordered_set<NodeNumber>* const removed_;
  std::unordered_map<NodeNumber, bool> directories_;  // those that were looked at
};

}  // namespace quire
