// SPDX-License-Identifier: Apache-2.0
// The index of a pack under construction: what a scan, an importer or a test fills in and the index writer encodes.
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/pack/records.h"
#include "format/pack/superblock.h"
#include "format/result.h"
#include "format/write/spool.h"

namespace quire {

// As LayerOf gives it.
using LayerRecord = std::array<std::byte, kLayerBytes>;

struct IndexTables {
  // The big tables are spooled to `spool_folder`.
  explicit IndexTables(const std::string& spool_folder);

  std::vector<Volume> volumes;
  std::vector<Attributes> attributes;
  Spool<Directory> directories;
  Spool<Node> nodes;
  Spool<Extent> extents;
  Spool<Segment> segments;
  Spool<char> names;
  Spool<char> xattrs;
  Spool<CodedMember> coded_members;
  std::vector<Dictionary> dictionaries;  // with record 0, which is none; empty where nothing is compressed
  std::vector<std::byte> dictionary_bytes;
  std::vector<LayerRecord> layers;  // of a further generation: those below, the newest first
  Spool<ReplacedNode> replaced;     // likewise

  // As Spool has it, of all spools: for loops over many records, where ResidentLimit says so.
  void LetGo() const;

  // The record number of `wanted`, which is added unless an equal one is there.
  Result<uint32_t> InternAttributes(const Attributes& wanted);
  // Gives a node a number of links. REQUIRES: it has attributes.
  Result<void> SetLinks(NodeNumber number, uint32_t nlink);
  // Sets xattr_offset and xattr_bytes of `attributes` to an encoded list (see EncodeXattrs), added unless an equal one
  // is there.
  Result<void> InternXattrs(std::string_view list, Attributes& into);
  // Appends a node named `name` (its name fields are set here).
  Result<NodeNumber> AddNode(Node node, std::string_view name);
  // Where `text` was put in names.
  Result<uint64_t> AddText(std::string_view text);

  [[nodiscard]] std::string_view NameOf(const Node& node) const {
    return {names.span().data() + node.name_offset, node.name_bytes};
  }
  // The node that has the content of node `number`: itself, unless it is a hard link.
  [[nodiscard]] NodeNumber ContentOf(NodeNumber number) const {
    return nodes[number].kind == NodeKind::kHardLink ? nodes[number].content : number;
  }
  // The directory record that holds node `number`. REQUIRES: number > 0, and its directory is complete.
  [[nodiscard]] const Directory& ParentOf(NodeNumber number) const;
  // From the root, without a leading '/'.
  [[nodiscard]] std::string PathOf(NodeNumber number) const;

  // The hard links to any of `samples`. `samples`: sorted.
  [[nodiscard]] std::vector<NodeNumber> HardLinksTo(const std::vector<NodeNumber>& samples) const;

  // Takes nodes out of a finished tree; numbers of what remains close up, and the page bytes of what was removed stay
  // as a gap. REQUIRES: `removed` is sorted and holds samples and hard links only, with every hard link to one of its
  // samples.
  void RemoveNodes(const std::vector<NodeNumber>& removed);

 private:
  [[nodiscard]] std::vector<uint64_t> SegmentsOf(const std::vector<NodeNumber>& samples) const;

  struct AttributesHash {
    size_t operator()(const Attributes& key) const;
  };
  std::unordered_map<Attributes, uint32_t, AttributesHash> attribute_numbers_;
  std::unordered_multimap<uint64_t, std::pair<uint64_t, uint32_t>>
      xattr_lists_;  // sum of a list -> its range in xattrs
};

// One extended attribute in the encoding of the xattrs section; lists are these, sorted by name, joined.
std::string EncodeXattr(std::string_view name, std::string_view value);

}  // namespace quire
