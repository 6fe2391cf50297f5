// SPDX-License-Identifier: Apache-2.0
#include "format/write/packed_tree.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "format/pack/entry_path.h"
#include "format/pack/sample_content.h"
#include "format/per_thread.h"
#include "format/write/packed_entry.h"
#include "format/write/tree_builder.h"

namespace quire {
namespace {

std::unexpected<Error> Interrupted() { return MakeError(ErrorCode::kInterrupted, "interrupted"); }

// What the index says of an entry beside its name.
struct Description {
  PackedEntry entry;
  std::optional<std::vector<DataRange>> data = {};  // of a sample that may have holes
};

class TreeCopier {
 public:
  TreeCopier(const Index& index, const ScanOptions& options, IndexTables& tables, Spool<NodeNumber>& nodes,
             const std::string& spool_folder)
      : index_(index),
        options_(options),
        tables_(tables),
        builder_(tables),
        nodes_(nodes),
        folders_(spool_folder),
        most_ranges_(index.segment_count()) {}

  Result<ScannedTree> Run() {
    if (auto found = FindLinked(); !found) return Propagate(std::move(found));
    if (auto root = AddRoot(); !root) return Propagate(std::move(root));
    for (uint64_t number = 0; number < folders_.size(); ++number)
      if (auto copied = CopyFolder(folders_[number]); !copied) return Propagate(std::move(copied));
    auto sparse = builder_.Finish();
    if (!sparse) return Propagate(std::move(sparse));
    return ScannedTree{.sparse = *std::move(sparse), .counts = counts_};
  }

 private:
  static constexpr NodeNumber kNone = kMaxRecords;

  // A directory of the new tree.
  struct Folder {
    NodeNumber node = 0;        // in it
    uint64_t record = 0;        // in the source
    uint64_t path_bytes = 0;    // below the root
    bool is_all_wanted = true;  // all below it is selected
  };

  // What hard links name: the first of its names that is packed has the content, as in a directory.
  Result<void> FindLinked() {
    if (index_.superblock().hard_links == 0) return {};
    for (NodeNumber number = 0; number < index_.node_count(); ++number) {
      if (IsInterrupted()) return Interrupted();
      const auto node = index_.GetNode(number);
      if (node && node->kind == NodeKind::kHardLink) linked_.emplace(node->content, kNone);
    }
    return {};
  }

  Result<void> AddRoot() {
    const auto root = index_.GetNode(0);
    if (!root) return std::unexpected(root.error());
    if (root->kind != NodeKind::kDirectory) return Corrupt("node 0: the root is not a directory");
    const auto description = Describe(*root);
    if (!description) return std::unexpected(description.error());
    return AddContent(0, *root, "", *description, 0);
  }

  Result<void> CopyFolder(const Folder& folder) {
    builder_.BeginDirectory();
    const auto directory = index_.GetDirectory(folder.record);
    const std::string path = tables_.PathOf(folder.node);
    uint64_t nameless = 0;
    std::string fault;
    if (!directory) fault = directory.error().message;
    std::string_view before;
    for (uint64_t i = 0; directory && i < directory->child_count; ++i) {
      if (IsInterrupted()) return Interrupted();
      const auto child = index_.GetChild(*directory, i);
      const NodeNumber number = child.value_or(directory->first_child + i);
      const auto node = child ? index_.GetNode(number) : std::unexpected(child.error());
      const auto name = node ? index_.GetName(*node) : std::unexpected(node.error());
      if (!name || *name <= before) {
        if (nameless++ == 0)
          fault = name ? fmt::format("node {}: its name is not behind the one before", number) : name.error().message;
        continue;
      }
      before = *name;
      if (auto copied = CopyEntry(folder, path, number, *node, *name); !copied) return copied;
      if (options_.entries_found != nullptr) ++*options_.entries_found;
    }
    if (nameless > 1) {
      counts_.nameless += nameless - 1;
      fault += fmt::format(", and {} further entries", nameless - 1);
    }
    if (!fault.empty()) options_.on_unreadable(path.empty() ? "." : path, fault);
    return builder_.EndDirectory();
  }

  // Errors are those that end the copy.
  Result<void> CopyEntry(const Folder& folder, const std::string& folder_path, NodeNumber number, const Node& node,
                         std::string_view name) {
    const auto path = [&] { return fmt::format("{}{}{}", folder_path, folder_path.empty() ? "" : "/", name); };
    if (!IsWanted(folder, path, node)) return {};
    const size_t path_bytes = PathBytesBelow(folder.path_bytes, name.size());
    if (path_bytes > kMaxPathBytes) {
      options_.on_unreadable(path(), fmt::format("its path is longer than {} bytes", kMaxPathBytes));
      return {};
    }
    const bool is_link = node.kind == NodeKind::kHardLink;
    const NodeNumber content = is_link ? node.content : number;
    if (const auto linked = linked_.find(content); linked != linked_.end() && linked->second != kNone) {
      if (auto added = nodes_.Append(content); !added) return added;
      const auto added = builder_.AddName(name, linked->second);
      return added ? Result<void>() : std::unexpected(added.error());
    }
    const auto content_node = is_link ? index_.GetLinkedNode(number, node) : node;
    const auto description = content_node ? Describe(*content_node) : std::unexpected(content_node.error());
    if (description) return AddContent(content, *content_node, name, *description, path_bytes);
    if (description.error().code == ErrorCode::kInterrupted) return std::unexpected(description.error());
    options_.on_unreadable(path(), description.error().message);
    return {};
  }

  // By the patterns and the list, which compare paths: those are made only where there is one of both.
  template <typename Path>
  bool IsWanted(const Folder& folder, const Path& make_path, const Node& node) {
    const bool has_patterns = options_.exclude != nullptr && !options_.exclude->empty();
    if (options_.selection == nullptr && !has_patterns) return true;
    const std::string path = make_path();
    if (options_.selection != nullptr && !options_.selection->Has(path) && !folder.is_all_wanted) return false;
    if (!has_patterns || !options_.exclude->Match(path, [&] { return node.kind == NodeKind::kDirectory; })) return true;
    ++counts_.excluded;
    options_.on_left_out(path, "excluded");
    return false;
  }

  Result<void> AddContent(NodeNumber number, const Node& node, std::string_view name, const Description& description,
                          size_t path_bytes) {
    if (auto added = nodes_.Append(number); !added) return added;
    const auto added = builder_.Add({.name = name,
                                     .kind = node.is_sample() ? NodeKind::kFile : node.kind,
                                     .mode = description.entry.attributes.mode,
                                     .uid = options_.normalisation.uid.value_or(description.entry.attributes.uid),
                                     .gid = options_.normalisation.gid.value_or(description.entry.attributes.gid),
                                     .xattrs = description.entry.xattrs,
                                     .mtime = node.mtime,
                                     .size_bytes = node.size_bytes,
                                     .target = description.entry.target,
                                     .data = description.data ? &*description.data : nullptr});
    if (!added) return std::unexpected(added.error());
    if (const auto linked = linked_.find(number); linked != linked_.end()) linked->second = *added;
    if (node.kind != NodeKind::kDirectory) return {};
    const bool is_all_wanted = options_.selection == nullptr || options_.selection->HasAllBelow(tables_.PathOf(*added));
    return folders_.Append(
        {.node = *added, .record = node.content, .path_bytes = path_bytes, .is_all_wanted = is_all_wanted});
  }

  Result<Description> Describe(const Node& node) {
    auto entry = DescribeEntry(index_, node);
    if (!entry) return Propagate(std::move(entry));
    Description description{.entry = *std::move(entry)};
    if (node.kind != NodeKind::kSegmented) return description;
    auto data = FindData(node);
    if (!data) return Propagate(std::move(data));
    description.data = *std::move(data);
    return description;
  }

  Result<std::vector<DataRange>> FindData(const Node& node) {
    std::vector<DataRange> ranges;
    Result<void> stop;
    auto visited = ForEachSegment(index_, node, [&](uint64_t, const Segment& segment) {
      AddData(ranges, segment.file_offset, segment.file_offset + segment.length_bytes, node.size_bytes);
      if (IsInterrupted())
        stop = Interrupted();
      else if (ranges.size() > most_ranges_)
        stop = Corrupt("segment {} and others belong to other samples with holes as well", node.content);
      return stop.has_value();
    });
    if (!visited) return Propagate(std::move(visited));
    if (!stop) return Propagate(std::move(stop));
    if (ranges.size() > 1) most_ranges_ -= ranges.size();
    return ranges;
  }

  [[nodiscard]] bool IsInterrupted() const {
    return options_.interrupted != nullptr && options_.interrupted->load(std::memory_order_relaxed);
  }

  const Index& index_;
  const ScanOptions& options_;
  IndexTables& tables_;
  TreeBuilder builder_;
  Spool<NodeNumber>& nodes_;  // by node of the new tree, that of the source with its content
  Spool<Folder> folders_;     // by record of the new tree
  std::unordered_map<NodeNumber, NodeNumber>
      linked_;  // what hard links name: its node in the new tree, once it has one
  // Ranges of data that samples with holes may have together. Each is a segment at least, and a pack that gives the
  // same segments to many samples must not fill the memory.
  uint64_t most_ranges_;
  ScanCounts counts_;
};

}  // namespace

Result<void> PackedSamples::Read(NodeNumber node, uint64_t file_offset, std::span<std::byte> into) const {
  const Index& index = pack_.index();
  const auto sample = index.GetNode(nodes_[node]);
  if (!sample) return std::unexpected(sample.error());
  do {
    const auto run = FindRun(index, *sample, file_offset);
    if (!run) return std::unexpected(run.error());
    const auto part = into.first(std::min<uint64_t>(run->length_bytes, into.size()));
    if (run->extent) {
      const auto extent = index.GetExtent(*run->extent);
      if (!extent) return std::unexpected(extent.error());
      if (auto read = ReadFrom(*extent, run->extent_offset, part); !read) return read;
    } else {
      std::ranges::fill(part, std::byte{0});
    }
    file_offset += part.size();
    into = into.subspan(part.size());
  } while (!into.empty());
  return {};
}

Result<void> PackedSamples::ReadFrom(const Extent& extent, uint32_t at, std::span<std::byte> into) const {
  if (into.size() == extent.length_bytes) return pack_.ReadExtent(extent, into);
  const auto volume = pack_.index().GetVolume(extent.volume);
  if (!volume) return std::unexpected(volume.error());
  const bool has_sum =
      volume->sum_kind == SumKind::kXxh3 || (volume->sum_kind == SumKind::kCrc32 && extent.sum != kUnknownCrc32);
  if (into.empty() || !has_sum) {
    if (auto read = pack_.ReadRaw(extent.volume, extent.offset + at, into); !read) return read;
    return into.empty() ? Result<void>() : pack_.CheckExtent(extent, into);
  }
  static PerThread<FixedBuffer<kPageBytes>> pages;
  const auto whole = pages.Get().span().first(extent.length_bytes);
  if (auto read = pack_.ReadExtent(extent, whole); !read) return read;
  std::ranges::copy(whole.subspan(at, into.size()), into.begin());
  return {};
}

Result<ScannedTree> PackedTree::Scan(const ScanOptions& options, WorkerPool& /*pool*/, IndexTables& tables,
                                     const std::string& spool_folder) {
  nodes_.emplace(spool_folder);
  source_.emplace(pack_, *nodes_);
  return TreeCopier(pack_.index(), options, tables, *nodes_, spool_folder).Run();
}

}  // namespace quire
