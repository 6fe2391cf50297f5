// SPDX-License-Identifier: Apache-2.0
// Makes the tables of a new layer of what changes: directories that are listed anew, what is new in them, and the nodes
// whose records are replaced. FORMAT.md, Layers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "format/growth/tree_changes.h"
#include "format/pack/index.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

// Not thread-safe. Errors are those of the index and of the spools, kInterrupted, and kUnsupported for a path that
// would be too long.
class LayerBuilder {
 public:
  // All must outlive it. `scanned` is null where nothing was scanned; else the extents and segments of its tables are
  // those of its new samples, and complete. `layer` is empty. `interrupted` may be null.
  LayerBuilder(const Index& index, const TreeChanges& changes, const ScannedChanges* scanned, IndexTables& layer,
               const std::string& spool_folder, const std::atomic<bool>* interrupted);

  // Called once.
  Result<void> Build();

  // Entries that the layer has, but for references.
  [[nodiscard]] const TreeCounts& added() const { return added_; }

 private:
  // A directory that the layer lists. Its record has the number of its turn.
  struct Listed {
    NodeNumber node = 0;             // of all layers
    std::optional<uint64_t> before;  // its record below; empty where it is new
    std::optional<uint64_t> scanned;
    uint64_t path_bytes = 0;
  };
  // Entries that are scanned: the children of a scanned directory, or the scanned root under a name of its own.
  struct Additions {
    NodeNumber first = 0;
    uint64_t count = 0;
    std::optional<std::string_view> name;
  };

  Result<void> AddListedAnew();
  Result<void> List(const Listed& listed);
  Result<void> ListMerged(const Listed& listed, uint32_t& subdirectories);
  Result<void> ReplaceListed(const Listed& listed, uint64_t record, uint32_t subdirectories);
  [[nodiscard]] Additions AdditionsTo(const Listed& listed) const;
  [[nodiscard]] std::string_view NameOf(const Additions& additions, uint64_t i) const;

  // Each appends an entry. `number`: its node below.
  Result<void> AddKept(NodeNumber number, const Node& node, std::string_view name);
  Result<void> AddScanned(NodeNumber scanned, std::string_view name, uint64_t path_bytes);
  Result<void> AddScannedContent(NodeNumber scanned, std::string_view name, uint64_t path_bytes);
  Result<void> AddHardLink(std::string_view name, NodeNumber content);
  Result<void> AddNode(Node node, std::string_view name);

  Result<void> ReplaceDescribed();
  Result<void> ReplaceLinks();
  Result<void> AddContents();
  Result<void> AddFrames();
  Result<void> AddReplaced();
  // The record that a node has from now on, until now that below.
  Result<Node*> ReplacementOf(NodeNumber number);
  // Numbers of attributes of the layer.
  Result<uint32_t> AttributesOf(const Node& scanned, std::optional<uint32_t> nlink = {});
  Result<uint32_t> AttributesWithLinks(const Node& own, uint32_t nlink);
  [[nodiscard]] NodeNumber next_node() const { return first(Section::kNodes) + layer_.nodes.size(); }
  [[nodiscard]] uint64_t first(Section section) const { return index_.layers().count(section); }

  const Index& index_;
  const TreeChanges& changes_;
  const ScannedChanges* const scanned_;
  const IndexTables* const tables_;  // of `scanned_`
  IndexTables& layer_;
  const std::atomic<bool>* const interrupted_;
  Spool<NodeNumber> numbers_;                             // by scanned node: its number in all layers; 0: none as yet
  std::unordered_map<NodeNumber, NodeNumber> new_homes_;  // of content whose own name is gone: its new node
  std::deque<Listed> pending_;
  uint64_t directories_ = 0;  // that have a record, or a turn
  std::map<NodeNumber, Node> replaced_;
  TreeCounts added_;
};

}  // namespace quire
