// SPDX-License-Identifier: Apache-2.0
// What becomes of the tree of a pack from one generation to the next, before any of it is written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "format/pack/index.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

inline constexpr NodeNumber kNoNode = kMaxRecords;

// A scanned directory that becomes one of the pack, with all below it, and what stays of each.
struct ScannedChanges {
  explicit ScannedChanges(const std::string& spool_folder) : fates(spool_folder), merged(spool_folder) {}

  const IndexTables* tables = nullptr;
  // By scanned node: that of the pack which it stays, under whatever names; kNoNode: it is new. Those of hard links are
  // not set.
  Spool<NodeNumber> fates;
  // By scanned directory record: the directory of the pack that it is merged with, or kNoNode.
  Spool<NodeNumber> merged;
  bool keeps_others = false;  // of a merged directory of the pack, what was not scanned stays
  // Where the scanned root is a new entry of a directory of the pack: that one, and the name.
  std::optional<std::pair<NodeNumber, std::string>> graft;
};

struct TreeChanges {
  // Directories that are listed anew, and for those that a scanned one is merged with the record of that.
  std::unordered_map<NodeNumber, std::optional<uint64_t>> listed;
  // Entries whose directories, which are listed anew, list them no more. With all below them.
  std::unordered_set<NodeNumber> removed;
  // Nodes whose attributes or times become those of a scanned node.
  std::map<NodeNumber, NodeNumber> described;
  // Samples and symlinks that have fewer names than before, and how many are left.
  std::map<NodeNumber, uint32_t> links;
  // Hard links whose content has lost its own name: they are listed anew with the content, the first of each as its
  // node.
  std::unordered_map<NodeNumber, NodeNumber> rehomed;
  std::unordered_map<NodeNumber, uint32_t> rehomed_links;  // by content: how many names it has then

  [[nodiscard]] bool empty() const { return listed.empty() && described.empty() && links.empty(); }
};

// Counts of a tree, as a superblock has them.
struct TreeCounts {
  uint64_t samples = 0;
  uint64_t symlinks = 0;
  uint64_t hard_links = 0;
  uint64_t directories = 0;
  uint64_t sample_bytes = 0;  // 2^64 - 1 where it is more

  void Add(const Node& node);
  void Add(const TreeCounts& more);
  void Subtract(const TreeCounts& gone);
  bool operator==(const TreeCounts&) const = default;
};

}  // namespace quire
