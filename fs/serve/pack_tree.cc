// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/pack_tree.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "format/escaping.h"
#include "format/pack/sample_content.h"
#include "fs/serve/attributes.h"
#include "fs/serve/directory_listing.h"
#include "fs/serve/extended_attributes.h"
#include "fs/serve/sample_attributes.h"

namespace quire {
namespace {

// All use of a mount begins at its root: from a name there or from what somebody has open, which makes it busy. So
// where idleness matters, it is enough that the kernel asks for those names now and then; all below stays as it is.
double KeepTopNamesS(const MountOptions& options) {
  if (options.idle_timeout.count() == 0) return kForeverS;
  return std::chrono::duration<double>(options.idle_timeout).count() / kIdleChecks;
}

// In a cookie, below the mark of directory_listing.cc: no directory has as many children, and no pack as many layers.
constexpr unsigned kTakenShift = 48;
constexpr uint64_t kTakenMask = uint64_t{0xff} << kTakenShift;
static_assert(kMaxRecords < uint64_t{1} << kTakenShift && kMaxLayers <= 0xff);

}  // namespace

PackTree::PackTree(const Pack& pack, NodeNumber root, SampleReader& samples, KernelFeed& feed, SampleReads& reads,
                   Refusals& refusals, const MountOptions& options)
    : pack_(pack),
      index_(pack.index()),
      cache_(samples.cache()),
      inodes_(root),
      first_layers_(index_.layers().size()),
      feed_(feed),
      reads_(reads),
      refusals_(refusals),
      options_(options),
      keep_top_names_s_(KeepTopNamesS(options)) {}

Result<InodeEntry> PackTree::Lookup(ino_t folder, std::string_view name) {
  const auto inode = Find(folder, name);
  if (!inode) return std::unexpected(inode.error());
  if (*inode == 0) return InodeEntry{.keep_name_s = KeepNamesS(folder)};
  const auto status = GetStat(*inode);
  if (!status) return std::unexpected(status.error());
  return EntryOf(folder, *status);
}

void PackTree::Forget(ino_t inode, uint64_t /*lookups*/) { feed_.Forgotten(inodes_.NodeOf(inode)); }

Result<struct stat> PackTree::GetStat(ino_t inode) const {
  auto status = quire::GetStat(index_, inodes_.NodeOf(inode), options_.overrides);
  if (status) status->st_ino = inode;
  return status;
}

Result<std::string> PackTree::ReadLink(ino_t inode) const {
  auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Propagate(std::move(node));
  if (node->kind != NodeKind::kSymlink) return Invalid("no symbolic link");
  auto target = index_.GetTarget(*node);
  if (!target) return Propagate(std::move(target));
  return std::string(*target);
}

Result<std::optional<std::span<const std::byte>>> PackTree::FindXattr(ino_t inode, std::string_view name) const {
  return quire::FindXattr(index_, inodes_.NodeOf(inode), name);
}

Result<std::optional<std::string>> PackTree::TellXattr(ino_t inode, std::string_view name) const {
  if (!name.starts_with(kSampleAttributePrefix)) return std::nullopt;
  auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Propagate(std::move(node));
  if (!node->is_sample()) return std::nullopt;
  return TellOfSample(pack_, cache_, *node, name);
}

Result<std::string> PackTree::ListXattrNames(ino_t inode) const {
  return quire::ListXattrNames(index_, inodes_.NodeOf(inode));
}

Result<off_t> PackTree::FindDataOrHole(ino_t inode, off_t offset, int whence) const {
  auto node = index_.GetNode(inodes_.NodeOf(inode));
  if (!node) return Propagate(std::move(node));
  if (!node->is_sample() || (whence != SEEK_DATA && whence != SEEK_HOLE))
    return Invalid("seek by {} in node {}", whence, inodes_.NodeOf(inode));
  if (offset < 0 || static_cast<uint64_t>(offset) >= node->size_bytes) return -1;
  auto position = static_cast<uint64_t>(offset);
  while (position < node->size_bytes) {
    auto run = FindRun(index_, *node, position);
    if (!run) return Propagate(std::move(run));
    if (run->extent.has_value() == (whence == SEEK_DATA)) return static_cast<off_t>(position);
    position += run->length_bytes;
  }
  return whence == SEEK_HOLE ? static_cast<off_t>(node->size_bytes) : -1;
}

Result<void> PackTree::List(ino_t folder, uint64_t cookie, bool with_entries,
                            const std::function<bool(const ListedInode&)>& visit) {
  // Whoever is in the middle of a listing goes on with that of the generation in which he began: in another one the
  // same entries may stand elsewhere. A cookie says how many generations were taken before.
  const uint64_t place = cookie & ~kTakenMask;
  const size_t layers = index_.layers().size();
  const size_t listed_layers =
      place == 0 ? layers : std::min(layers, first_layers_ + ((cookie & kTakenMask) >> kTakenShift));
  const uint64_t taken = uint64_t{listed_layers - first_layers_} << kTakenShift;
  auto listed = ListDirectory(index_, inodes_.NodeOf(folder), listed_layers, place, [&](const ListedEntry& found) {
    // What is above the root of the mount is no part of it.
    const NodeNumber number = folder == FUSE_ROOT_ID && found.name == ".." ? inodes_.root() : found.node;
    ListedInode entry = {.name = found.name,
                         .inode = inodes_.InodeOf(number),
                         .type = found.type,
                         .next_cookie = taken | found.next_cookie};
    if (with_entries && found.record) {
      if (auto status = quire::GetStat(index_, *found.record, options_.overrides)) {
        status->st_ino = entry.inode;
        entry.entry = EntryOf(folder, *status);
      } else {
        refusals_.Report("stat", entry.inode, status.error());
      }
    }
    return visit(entry);
  });
  if (!listed) return Propagate(std::move(listed));
  if (listed->first)
    refusals_.Report("list", folder, *listed->first, fmt::format(": {} entries left out", listed->count));
  return {};
}

void PackTree::Read(fuse_req_t request, ino_t inode, size_t bytes, off_t offset) {
  const NodeNumber number = inodes_.NodeOf(inode);
  const auto node = index_.GetNode(number);
  if (!node) return refusals_.Refuse(request, "read", inode, node.error());
  if (!node->is_sample() || offset < 0) {
    fuse_reply_err(request, EINVAL);
    return;
  }
  reads_.Answer(request, inode, number, *node, static_cast<uint64_t>(offset), bytes);
}

std::string PackTree::Describe(ino_t inode) const {
  const auto path = index_.GetPath(inodes_.NodeOf(inode));
  // Escaped: a name may hold a newline, and must not forge a line of the log.
  return path ? fmt::format("'/{}'", EscapeName(*path)) : fmt::format("inode {}", inode);
}

std::optional<WatchedFolder> PackTree::FindFolder(NodeNumber number) const {
  if (number == 0) return std::nullopt;
  const auto holder = index_.GetHolder(number);
  if (!holder) return std::nullopt;
  return WatchedFolder{.node = holder->node, .end_child = holder->first_child + holder->child_count};
}

std::optional<std::string> PackTree::NameFolder(NodeNumber folder) const {
  if (folder == inodes_.root()) return "";
  const auto path = index_.GetPath(folder);
  const auto root = index_.GetPath(inodes_.root());
  if (!path || !root) return std::nullopt;
  const std::string above = root->empty() ? "" : *root + '/';
  return path->starts_with(above) ? path->substr(above.size()) : *path;
}

bool PackTree::LacksTop(std::string_view name) const {
  if (IsBeforeTop(name)) return true;
  const auto found = Find(FUSE_ROOT_ID, name);
  return found ? *found == 0 : found.error().code == ErrorCode::kCorrupt;
}

bool PackTree::IsBeforeTop(std::string_view name) const {
  const auto root = index_.GetNode(inodes_.root());
  if (!root || root->kind != NodeKind::kDirectory) return false;
  const auto directory = index_.GetDirectory(root->content);
  if (!directory || directory->child_count == 0) return false;
  const auto child = index_.GetChild(*directory, 0);
  const auto first = child ? index_.GetNode(*child) : std::unexpected(child.error());
  if (!first) return false;
  const auto first_name = index_.GetName(*first);
  return first_name && name < *first_name;
}

Result<ino_t> PackTree::Find(ino_t folder, std::string_view name) const {
  if (name == "." || name == "..") return FindExported(folder, name == "..");
  auto node = index_.GetNode(inodes_.NodeOf(folder));
  if (!node) return Propagate(std::move(node));
  if (node->kind != NodeKind::kDirectory) return Corrupt("node {}: searched, but no directory", inodes_.NodeOf(folder));
  auto directory = index_.GetDirectory(node->content);
  if (!directory) return Propagate(std::move(directory));
  auto child = index_.Lookup(*directory, name);
  if (!child) return Propagate(std::move(child));
  if (!*child) return 0;
  auto resolved = index_.Resolve(**child);
  if (!resolved) return Propagate(std::move(resolved));
  return inodes_.InodeOf(*resolved);
}

Result<ino_t> PackTree::FindExported(ino_t inode, bool is_parent) const {
  if (inode == 0) return 0;
  const NodeNumber number = inodes_.NodeOf(inode);
  if (number >= index_.node_count()) return 0;
  const auto node = index_.GetNode(number);
  if (!node) return std::unexpected(node.error());
  if (node->kind == NodeKind::kHardLink) return 0;  // a name, and no file
  const auto is_shown = IsInMount(number);
  if (!is_shown) return std::unexpected(is_shown.error());
  if (!*is_shown) return 0;
  if (!is_parent || number == inodes_.root()) return inodes_.InodeOf(number);
  const auto parent = index_.GetParent(number);
  if (!parent) return std::unexpected(parent.error());
  return inodes_.InodeOf(*parent);
}

Result<bool> PackTree::IsInMount(NodeNumber number) const {
  if (inodes_.root() == 0) return true;
  // A folder's node comes before those of what it holds.
  while (number > inodes_.root()) {
    const auto parent = index_.GetParent(number);
    if (!parent) return std::unexpected(parent.error());
    if (*parent >= number) return Corrupt("node {}: it lies in node {}, which comes later", number, *parent);
    number = *parent;
  }
  return number == inodes_.root();
}

double PackTree::KeepNamesS(ino_t folder) const { return folder == FUSE_ROOT_ID ? keep_top_names_s_ : kForeverS; }

InodeEntry PackTree::EntryOf(ino_t folder, const struct stat& status) {
  if (S_ISREG(status.st_mode)) feed_.Told(inodes_.NodeOf(status.st_ino));
  return {.status = status, .keep_name_s = KeepNamesS(folder)};
}

}  // namespace quire
