// SPDX-License-Identifier: Apache-2.0
#include "format/pack/tree_verifier.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "format/coding.h"
#include "format/pack/entry_path.h"
#include "format/pack/sample_content.h"

namespace quire {
namespace {

uint64_t AddSaturating(uint64_t a, uint64_t b) {
  return b > std::numeric_limits<uint64_t>::max() - a ? std::numeric_limits<uint64_t>::max() : a + b;
}

}  // namespace

TreeVerifier::TreeVerifier(const Index& index, const BadExtents& bad_extents, bool is_index_whole,
                           const std::atomic<bool>* interrupted, FaultSequence& faults)
    : index_(index),
      bad_extents_(bad_extents),
      is_index_whole_(is_index_whole),
      interrupted_(interrupted),
      faults_(faults),
      path_bytes_(index.directory_count(), kPathTooLong),
      used_extents_(index.extent_count()),
      owned_extents_(index.extent_count()),
      used_segments_(index.segment_count()) {}

Result<void> TreeVerifier::Run(WorkerPool& pool) {
  CheckRoot();
  const bool is_layered = index_.layers().size() > 1;
  if (auto done = is_layered ? WalkTree() : CountNodes(); !done) return done;
  if (!is_layered)
    if (auto done = CheckDirectories(); !done) return done;
  auto checked = is_layered
                     ? faults_.ForEach(pool, listed_.size(), [this](uint64_t i) { return CheckChildren(listed_[i]); })
                     : faults_.ForEach(pool, index_.directory_count(), [this](uint64_t n) { return CheckChildren(n); });
  if (!checked || !is_index_whole_) return checked;
  CheckCounts();
  return CheckOwners();
}

// Faults of single nodes are told where their directory is looked through.
Result<void> TreeVerifier::CountNodes() {
  for (NodeNumber number = 0; number < index_.node_count(); ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    if (const auto node = index_.GetNode(number)) CountNode(*node);
  }
  return {};
}

void TreeVerifier::CountNode(const Node& node) {
  if (node.is_sample()) {
    ++samples_;
    sample_bytes_ = AddSaturating(sample_bytes_, node.size_bytes);
  }
  if (node.kind == NodeKind::kSymlink) ++symlinks_;
  if (node.kind != NodeKind::kHardLink) return;
  ++hard_links_;
  ++further_names_[node.content];
}

// Of several layers: what the directories of this generation list, and nothing of what they listed before.
Result<void> TreeVerifier::WalkTree() {
  struct Folder {
    NodeNumber node;
    uint64_t path_bytes;
  };
  std::deque<Folder> pending = {{0, 0}};
  for (; !pending.empty(); pending.pop_front()) {
    const auto own = index_.GetNode(pending.front().node);
    if (!own || own->kind != NodeKind::kDirectory) continue;  // told with its folder
    const auto directory = index_.GetDirectory(own->content);
    if (!directory) {
      Report(Fault::Kind::kIndex, PathOf(pending.front().node), directory.error().message);
      continue;
    }
    const uint64_t path_bytes = pending.front().path_bytes;
    if (path_bytes <= kMaxPathBytes) path_bytes_[own->content] = static_cast<uint16_t>(path_bytes);
    listed_.push_back(own->content);
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      if (auto stop = CheckInterrupted(); !stop) return stop;
      const auto child = index_.GetChild(*directory, i);
      const auto node = child ? index_.GetNode(*child) : std::unexpected(child.error());
      if (!node) continue;
      CountNode(*node);
      if (node->kind == NodeKind::kDirectory)
        pending.push_back({.node = *child, .path_bytes = PathBytesBelow(path_bytes, node->name_bytes)});
    }
  }
  directories_ = listed_.size();
  return {};
}

void TreeVerifier::CheckRoot() {
  if (const auto root = index_.GetNode(0); !root)
    Report(Fault::Kind::kIndex, "", root.error().message);
  else if (root->kind != NodeKind::kDirectory)
    Report(Fault::Kind::kIndex, "", "node 0: the root is not a directory");
  else if (const auto attributes = CheckAttributes(*root); !attributes)  // of all others where they are children
    Report(Fault::Kind::kIndex, "", attributes.error().message);
}

Result<void> TreeVerifier::CheckDirectories() {
  NodeNumber next = 1;
  std::string last_message;  // a damaged block gives the same one for each of its records
  for (uint64_t number = 0; number < index_.directory_count(); ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const auto directory = index_.GetDirectory(number);
    if (!directory) {
      if (directory.error().message != last_message) Report(Fault::Kind::kIndex, "", directory.error().message);
      last_message = directory.error().message;
      continue;
    }
    MeasurePath(number, *directory);
    next = directory->first_child + directory->child_count;
    const auto node = index_.GetNode(directory->node);
    if (node && (node->kind != NodeKind::kDirectory || node->content != number))
      Report(Fault::Kind::kIndex, PathOf(directory->node),
             fmt::format("directory {}: node {} is another entry", number, directory->node));
  }
  if (last_message.empty() && next != index_.node_count())
    Report(Fault::Kind::kIndex, "", fmt::format("nodes {} to {} are in no directory", next, index_.node_count() - 1));
  return {};
}

// Parents come first. Step by step, since the way up from each directory would be long work in a deep tree. Of entries
// that are too deep the first one on each way is told, by its directory.
void TreeVerifier::MeasurePath(uint64_t number, const Directory& directory) {
  if (number == 0) {
    path_bytes_[0] = 0;
    return;
  }
  const auto parent = index_.GetParent(directory.node);
  const auto parent_node = parent ? index_.GetNode(*parent) : std::unexpected(parent.error());
  const auto own = index_.GetNode(directory.node);
  if (!parent_node || !own || parent_node->kind != NodeKind::kDirectory || parent_node->content >= number) return;
  const uint16_t above = path_bytes_[parent_node->content];
  if (above == kPathTooLong) return;
  const size_t bytes = PathBytesBelow(above, own->name_bytes);
  if (bytes <= kMaxPathBytes) path_bytes_[number] = static_cast<uint16_t>(bytes);
}

Result<void> TreeVerifier::CheckChildren(uint64_t number) {
  const auto directory = index_.GetDirectory(number);
  if (!directory) return {};  // told already
  const uint16_t path_bytes = path_bytes_[number];
  std::string_view before;
  uint64_t directories = 0;
  for (uint64_t i = 0; i < directory->child_count; ++i) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const NodeNumber place = directory->first_child + i;
    const auto child = index_.GetChild(*directory, i);
    const auto node = child ? index_.GetNode(*child) : std::unexpected(child.error());
    const auto name = node ? index_.GetName(*node) : std::unexpected(node.error());
    auto checked = name ? CheckEntry(*child, *node, *name, before) : std::unexpected(name.error());
    if (!checked && checked.error().code == ErrorCode::kInterrupted) return checked;
    if (!checked) Report(Fault::Kind::kIndex, PathOf(child.value_or(place)), checked.error().message);
    if (name) before = *name;
    if (name && path_bytes != kPathTooLong && PathBytesBelow(path_bytes, name->size()) > kMaxPathBytes)
      Report(Fault::Kind::kIndex, PathOf(directory->node),
             fmt::format("node {}: its path is longer than {} bytes", *child, kMaxPathBytes));
    if (node && node->kind == NodeKind::kDirectory) ++directories;
  }
  entries_ += directory->child_count;
  const auto own = index_.GetNode(directory->node);
  const auto attributes = own ? index_.GetAttributes(own->attributes) : std::unexpected(own.error());
  if (is_index_whole_ && attributes && attributes->nlink != directories + 2)
    Report(Fault::Kind::kIndex, PathOf(directory->node),
           fmt::format("node {}: {} links, {} are there", directory->node, attributes->nlink, directories + 2));
  return {};
}

// `before`: the name of the entry before in the directory.
Result<void> TreeVerifier::CheckEntry(NodeNumber number, const Node& node, std::string_view name,
                                      std::string_view before) {
  if (name <= before) return Corrupt("node {}: its name is not behind the one before", number);
  if (node.kind == NodeKind::kHardLink) {
    const auto target = index_.Resolve(number);
    return target ? Result<void>() : std::unexpected(target.error());
  }
  const auto attributes = CheckAttributes(node);
  if (!attributes) return std::unexpected(attributes.error());
  if (node.kind == NodeKind::kDirectory) return {};
  if (auto links = CheckLinks(number, *attributes); !links) return links;
  if (node.kind == NodeKind::kSymlink) {
    const auto target = index_.GetTarget(node);
    return target ? Result<void>() : std::unexpected(target.error());
  }
  return CheckSample(number, node);
}

Result<Attributes> TreeVerifier::CheckAttributes(const Node& node) const {
  auto attributes = index_.GetAttributes(node.attributes);
  if (!attributes) return attributes;
  if (auto xattrs = index_.ForEachXattr(*attributes, [](const Xattr&) { return true; }); !xattrs)
    return Propagate(std::move(xattrs));
  return attributes;
}

Result<void> TreeVerifier::CheckLinks(NodeNumber number, const Attributes& attributes) const {
  const auto further = further_names_.find(number);
  const uint64_t names = 1 + (further == further_names_.end() ? uint64_t{0} : further->second);
  if (!is_index_whole_ || attributes.nlink == names) return {};
  return Corrupt("node {}: {} links, {} names are there", number, attributes.nlink, names);
}

Result<void> TreeVerifier::CheckSample(NodeNumber number, const Node& node) {
  const auto told = [&](const Error& error) -> Result<void> {
    if (error.code == ErrorCode::kInterrupted) return std::unexpected(error);
    Report(Fault::Kind::kSample, PathOf(number), error.message);
    return {};
  };
  Result<void> stop;
  const auto stored = ForEachSegment(index_, node, [&](uint64_t segment, const Segment&) {
    used_segments_.Set(segment);
    stop = CheckInterrupted();
    return stop.has_value();
  });
  if (!stop) return stop;
  if (!stored) return told(stored.error());
  for (uint64_t at = 0; at < node.size_bytes;) {
    if (stop = CheckInterrupted(); !stop) return stop;
    const auto run = FindRun(index_, node, at);
    if (!run) return told(run.error());
    if (run->extent) {
      used_extents_.Set(*run->extent);
      if (const auto extent = index_.GetExtent(*run->extent); extent && extent->node == number)
        owned_extents_.Set(*run->extent);
      if (bad_extents_.Has(*run->extent))
        Report(Fault::Kind::kSample, PathOf(number),
               fmt::format("bytes {} to {}: {}", at, at + run->length_bytes, bad_extents_.ReasonFor(*run->extent)));
    }
    at += run->length_bytes;
  }
  return {};
}

void TreeVerifier::CheckCounts() {
  const Superblock& superblock = index_.superblock();
  for (const auto& [what, told, found] :
       {std::tuple("samples", superblock.samples, samples_), std::tuple("symlinks", superblock.symlinks, symlinks_),
        std::tuple("hard links", superblock.hard_links, hard_links_),
        std::tuple("sample bytes", superblock.sample_bytes, sample_bytes_),
        std::tuple("directories", superblock.directories, directories_)})
    if (told != found)
      Report(Fault::Kind::kIndex, "", fmt::format("superblock: {} {}, the index has {}", told, what, found));
}

// Of every extent and segment: what it is for. In several layers there are those of earlier generations beside.
Result<void> TreeVerifier::CheckOwners() {
  const bool is_layered = index_.layers().size() > 1;
  uint64_t stored_bytes = 0;
  for (ExtentNumber number = 0; number < index_.extent_count(); ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    const auto extent = index_.GetExtent(number);
    if (!extent) continue;  // a bad one, which its sample is told with
    stored_bytes += extent->length_bytes;
    if (is_layered) continue;
    if (!used_extents_.Test(number))
      Report(Fault::Kind::kIndex, "", fmt::format("extent {}: no sample has it", number));
    else if (!owned_extents_.Test(number))
      Report(Fault::Kind::kIndex, "", fmt::format("extent {}: it is not node {}'s, as it says", number, extent->node));
  }
  for (uint64_t number = 0; number < index_.segment_count() && !is_layered; ++number) {
    if (auto stop = CheckInterrupted(); !stop) return stop;
    if (!used_segments_.Test(number))
      Report(Fault::Kind::kIndex, "", fmt::format("segment {}: no sample has it", number));
  }
  if (stored_bytes != index_.superblock().stored_bytes)
    Report(
        Fault::Kind::kIndex, "",
        fmt::format("superblock: {} stored bytes, the index has {}", index_.superblock().stored_bytes, stored_bytes));
  return {};
}

Result<void> TreeVerifier::CheckInterrupted() const {
  if (interrupted_ != nullptr && interrupted_->load(std::memory_order_relaxed))
    return MakeError(ErrorCode::kInterrupted, "interrupted");
  return {};
}

std::string TreeVerifier::PathOf(NodeNumber number) const {
  auto path = index_.GetPath(number);
  return path ? std::move(*path) : fmt::format("(node {}, whose path cannot be read)", number);
}

void TreeVerifier::Report(Fault::Kind kind, std::string path, std::string message) {
  faults_.Add({.kind = kind, .path = std::move(path), .message = std::move(message)});
}

}  // namespace quire
