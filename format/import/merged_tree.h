// SPDX-License-Identifier: Apache-2.0
// The tree that several packs make together: directories of one path become one, everything else must be at a path of
// its own. Not thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/resident_limit.h"
#include "format/write/spool.h"
#include "format/write/tree_builder.h"

namespace quire {

class MergedTree {
 public:
  struct Source {
    const Index* index = nullptr;  // outlives the tree
    std::string path;              // of the pack, for messages
    std::vector<std::string> top;  // the folders in which its root lies, outermost first
  };

  // `tables` have no nodes yet, and outlive it. Memory is spooled to `spool_folder`: 8 bytes an entry, 32 a
  // directory and 24 more for each pack that has it. `entries` counts what was added, for others to see. `interrupted`
  // may be null.
  MergedTree(IndexTables& tables, std::vector<Source> sources, const std::string& spool_folder,
             std::atomic<uint64_t>& entries, const std::atomic<bool>* interrupted);

  // Puts directories, nodes without content, and names into the tables. A directory of several packs
  // has the attributes of the first; one that is only in a `top` has the owner and time of the root below it.
  // kUnsupported where two packs have one path and it is not a directory in both, or a path gets too long;
  // kCorrupt, kSystem of what cannot be read, which name the pack; kInterrupted.
  Result<void> Build();

  // What node `number` of a source has become; empty where no directory of the source holds it. REQUIRES: Build.
  [[nodiscard]] std::optional<NodeNumber> Find(size_t source, NodeNumber number) const;

 private:
  static constexpr NodeNumber kNone = kMaxRecords;

  // A directory of one source that goes into a merged one: of its tree, or while depth < top.size() one above that.
  struct Part {
    size_t source = 0;
    size_t depth = 0;
    uint64_t record = 0;
  };
  // A merged directory, whose parts stand together.
  struct Folder {
    NodeNumber node = 0;
    uint64_t path_bytes = 0;
    uint64_t first_part = 0;
    uint64_t part_count = 0;
  };
  // The entry of a part that is next.
  struct Cursor {
    Part part;
    Directory directory;    // of a part of the source's tree
    uint64_t position = 0;  // in it, behind the entry
    std::string_view name;
    NodeNumber number = 0;
    Node node;
    bool operator>(const Cursor& other) const {
      return name != other.name ? name > other.name : part.source > other.part.source;
    }
  };

  Result<void> Fill(const Folder& folder);
  Result<std::optional<Cursor>> Begin(const Part& part) const;
  // False where the part has no further entry.
  Result<bool> Advance(Cursor& cursor) const;
  // `same`: the entries of one name, by source.
  Result<void> AddEntry(const Folder& folder, const std::vector<Cursor>& same);
  Result<void> AddDirectory(const std::vector<Part>& parts, std::string_view name, size_t path_bytes);
  Result<void> AddFileOrLink(const Cursor& entry);
  // `number`: of `node`, in the source.
  Result<void> AddContent(size_t source, std::string_view name, NodeNumber number, const Node& node);
  Result<TreeEntry> DescribeDirectory(const Part& part, std::string_view name);
  [[nodiscard]] NodeNumber& Merged(size_t source, NodeNumber number) { return merged_[first_node_[source] + number]; }
  [[nodiscard]] bool IsInterrupted() const {
    return interrupted_ != nullptr && interrupted_->load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::string PathOf(const Folder& folder, std::string_view name) const;

  IndexTables& tables_;
  const std::vector<Source> sources_;
  std::atomic<uint64_t>& entries_;
  const std::atomic<bool>* const interrupted_;
  TreeBuilder builder_;
  std::vector<uint64_t> first_node_;  // by source: where its nodes stand in merged_
  Spool<NodeNumber> merged_;
  Spool<Folder> folders_;
  Spool<Part> parts_;
  std::string xattrs_;  // of the entry that is added
  ResidentLimit resident_;
};

}  // namespace quire
