// SPDX-License-Identifier: Apache-2.0
// The index of one generation, read only: typed records out of verified blocks, every number checked against what
// it points into before anyone uses it. No allocation on the paths of lookup, attributes and content. What is made of
// several records has files of its own: sample_content.h, coded_members.h, dictionaries.h, path_resolver.h.
// Thread-safe. Views stay valid as long as the Index. Errors: kCorrupt (the message names record and field), kSystem
// (reading failed); the next call tries again.
//
// Somebody may put a later generation in the place of the one that is open (Swap) while others read. A later generation
// has all records of the earlier one under the same numbers, but for nodes that it replaces. So who asks several
// questions in a row may hear of both generations, and each answer is right for its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/pack/block_tree.h"
#include "format/pack/geometry.h"
#include "format/pack/index_layers.h"
#include "format/pack/lazy_bits.h"
#include "format/pack/records.h"
#include "format/pack/superblock.h"
#include "format/result.h"

namespace quire {

struct Xattr {
  std::string_view name;  // with its "user." prefix
  std::span<const std::byte> value;
};

class Index {
 public:
  // As BlockTree::Create, with offsets in the pack. Reads nothing, but the list of layers of a further generation.
  static Result<std::unique_ptr<Index>> Open(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                             const BlockTree::FarReads& far = {});
  // The index of a later generation of the same pack; what was read of the layers that both have is not read again.
  // kInvalid where it is none: it lacks a layer of this one.
  [[nodiscard]] Result<std::unique_ptr<Index>> OpenLater(const Superblock& superblock) const;

  // From now on this is the generation that `other` was, and `other` is the one that this was. REQUIRES: OpenLater gave
  // `other`, or Swap; one caller at a time; nobody reads `other` meanwhile.
  void Swap(Index& other);

  [[nodiscard]] uint64_t node_count() const { return layers().count(Section::kNodes); }
  [[nodiscard]] uint64_t directory_count() const { return layers().count(Section::kDirectories); }
  [[nodiscard]] uint64_t extent_count() const { return layers().count(Section::kExtents); }
  [[nodiscard]] uint64_t segment_count() const { return layers().count(Section::kSegments); }
  [[nodiscard]] uint64_t volume_count() const { return layers().count(Section::kVolumes); }
  [[nodiscard]] uint64_t dictionary_count() const { return layers().count(Section::kDictionaries); }
  // Whether samples of the pack itself, or of one that this indexes, are compressed.
  [[nodiscard]] bool has_frames() const { return dictionary_count() > 0; }
  [[nodiscard]] const IndexLayers& layers() const { return *view_.load(std::memory_order_acquire)->layers; }
  [[nodiscard]] const Superblock& superblock() const { return layers().newest().superblock; }
  // Directories of the tree. Of a further generation there may be more records, of those that were listed anew.
  [[nodiscard]] uint64_t tree_directory_count() const { return superblock().tree_directories(); }

  // --- Records, each by its number (index.cc)

  Result<Node> GetNode(NodeNumber number) const { return GetNodeOf(layers().size(), number); }
  // The record that it has in the generation of so many layers, an earlier one or this.
  Result<Node> GetNodeOf(size_t layers, NodeNumber number) const;
  // A valid name, but for the root, which has "".
  Result<std::string_view> GetName(const Node& node) const;
  // REQUIRES: node.kind is kSymlink.
  Result<std::string_view> GetTarget(const Node& node) const;

  // The node whose content `number` names: itself unless it is a hard link.
  Result<NodeNumber> Resolve(NodeNumber number) const;
  // The node `link.content`, whose content `link` names. REQUIRES: `link` is node `number`, of kind kHardLink.
  Result<Node> GetLinkedNode(NodeNumber number, const Node& link) const;

  Result<Attributes> GetAttributes(uint32_t number) const;
  // Calls `visit` for each extended attribute that a reader shows, those of user.*, in name order until it returns
  // false.
  Result<void> ForEachXattr(const Attributes& attributes, const std::function<bool(const Xattr&)>& visit) const;

  // Of any volume; its range is inside the volume and inside one page of it, and its node is one of the index.
  Result<Extent> GetExtent(ExtentNumber number) const;
  // Its extents are some of the index.
  Result<Segment> GetSegment(uint64_t number) const;
  // The bytes of its extents, of which the last may have fewer. REQUIRES: GetSegment gave it.
  Result<uint64_t> ExtentBytesOf(const Segment& segment) const;
  // REQUIRES: GetSegment gave it.
  Result<uint64_t> CountExtents(const Segment& segment) const;

  Result<Volume> GetVolume(uint16_t number) const;
  // Where a volume is: a path or URL, by its kind. It has no NUL.
  Result<std::string_view> GetLocation(const Volume& volume) const;
  // The first extent of `volume` at or behind byte `offset` of it, or where there is none the first of a later volume;
  // the number of all extents where there is none of these. O(log extents).
  Result<ExtentNumber> FindExtentFrom(uint16_t volume, uint64_t offset) const;

  // --- The tree of directories (index_tree.cc)

  // Its children are its own: no other directory that this returns has one of them.
  Result<Directory> GetDirectory(uint64_t number) const;
  // The node of child `i` of a directory. REQUIRES: i < directory.child_count, and GetDirectory gave it.
  Result<NodeNumber> GetChild(const Directory& directory, uint64_t i) const {
    const NodeNumber place = directory.first_child + i;
    if (place < layers().first_further_node()) [[likely]]
      return place;
    return GetFurtherChild(directory, place);
  }
  // The child of `directory` named `name`, not resolved; empty when there is none. O(log children).
  Result<std::optional<NodeNumber>> Lookup(const Directory& directory, std::string_view name) const;

  // The record that listed `number` first: its node is the directory that holds it, and so it is of all its children,
  // also where that directory is listed anew. O(log directories). REQUIRES: number > 0.
  Result<Directory> GetHolder(NodeNumber number) const;
  // The node of the directory that holds `number`; 0 for the root. O(log directories).
  Result<NodeNumber> GetParent(NodeNumber number) const;
  // From the root, without a leading '/'; "" for the root. kCorrupt where it is longer than a path may be. For messages
  // and reports: allocates.
  Result<std::string> GetPath(NodeNumber number) const;

 private:
  // What one generation is read by.
  struct View {
    explicit View(std::unique_ptr<IndexLayers> the_layers)
        : layers(std::move(the_layers)), checked_directories(layers->count(Section::kDirectories)) {}

    const std::unique_ptr<IndexLayers> layers;
    mutable LazyBits checked_directories;  // those that CheckIsTree has passed
  };

  Index(BlockTree::ReadAt read_at, BlockTree::FarReads far, std::unique_ptr<IndexLayers> layers);
  static Result<std::unique_ptr<Index>> OpenBeside(const Superblock& superblock, const BlockTree::ReadAt& read_at,
                                                   const BlockTree::FarReads& far, const IndexLayers* others);
  // As IndexLayers.
  Result<std::span<const std::byte>> GetRecord(Section section, uint64_t number, const char* what) const {
    return layers().GetRecord(section, number, what);
  }
  Result<std::span<const std::byte>> GetHeap(Section section, uint64_t offset, uint64_t bytes, const char* what) const {
    return layers().GetHeap(section, offset, bytes, what);
  }
  struct Child : Node {  // as its own layer has it
    NodeNumber number = 0;
  };
  // The node that the entry at `place` of a directory that is listed anew stands for; the entry itself where it is no
  // reference.
  Result<Child> FollowReference(const Directory& directory, NodeNumber place) const;
  Result<NodeNumber> GetFurtherChild(const Directory& directory, NodeNumber place) const;
  // Which child of `directory` is named `name`; empty when none is.
  Result<std::optional<uint64_t>> FindPlace(const Directory& directory, std::string_view name) const;
  // As FindExtentFrom, among the extents of one layer.
  Result<ExtentNumber> FindExtentInLayer(const IndexLayer& layer, uint16_t volume, uint64_t offset) const;
  Result<Directory> DecodeDirectoryAt(uint64_t number) const;
  // The number of the directory record that holds node `number`, by the search of FORMAT.md. O(log directories).
  Result<uint64_t> FindHolder(NodeNumber number) const;
  // Asks for the records that FindHolder will look at if directory `number` is the holder: in one round trip, not one
  // for each.
  void ExpectSearchFor(uint64_t number) const;
  Result<void> CheckIsTree(uint64_t number, const Directory& directory) const;

  const BlockTree::ReadAt read_at_;
  const BlockTree::FarReads far_;
  // All that were ever read, since somebody may still hold what one gave. A pack has kMaxLayers generations at most
  // that extend each other.
  std::vector<std::shared_ptr<const View>> views_;
  std::atomic<const View*> view_;  // the one that is read
};

// Empty when `name` may be an entry of a directory, else why not.
std::optional<std::string_view> FaultOfName(std::string_view name);

}  // namespace quire
