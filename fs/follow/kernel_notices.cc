// SPDX-License-Identifier: Apache-2.0
#include "fs/follow/kernel_notices.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace quire {
namespace {

// FUSE_NOTIFY_INC_EPOCH of linux/fuse.h from protocol 7.44 on; libfuse sends it from 3.18 on, which is newer than most
// systems have.
constexpr int kNotifyIncEpoch = 8;

// The children of a directory one after the other, by their names.
class Children {
 public:
  Children(const Index& index, const Directory& directory) : index_(index), directory_(directory) {}

  // Goes to the first one, or to the next.
  Result<void> Read() {
    if (next_ == directory_.child_count) {
      is_at_end = true;
      return {};
    }
    const auto child = index_.GetChild(directory_, next_++);
    const auto node = child ? index_.GetNode(*child) : std::unexpected(child.error());
    const auto child_name = node ? index_.GetName(*node) : std::unexpected(node.error());
    if (!child_name) return std::unexpected(child_name.error());
    number = *child;
    name = *child_name;
    return {};
  }

  bool is_at_end = false;
  NodeNumber number = 0;
  std::string_view name;

 private:
  const Index& index_;
  const Directory directory_;
  uint64_t next_ = 0;
};

}  // namespace

Result<void> KernelNotices::Tell(const Index& before, const Index& now, const std::stop_token& stop) {
  constexpr size_t kReplacedBytes = kRecordBytes[static_cast<size_t>(Section::kReplaced)];
  for (size_t i = before.layers().size(); i < now.layers().size(); ++i) {
    const IndexLayer& layer = now.layers()[i];
    for (uint64_t record = 0; record < layer.superblock.records(Section::kReplaced); ++record) {
      if (stop.stop_requested()) return {};
      const auto bytes = layer.blocks->Touch(layer.OffsetOf(Section::kReplaced, record), kReplacedBytes);
      if (!bytes) return std::unexpected(bytes.error());
      const NodeNumber number = DecodeReplacedNode(*bytes).number;
      if (number >= before.node_count()) continue;
      if (auto told = TellNode(before, now, number, stop); !told) return told;
    }
  }
  return {};
}

Result<void> KernelNotices::TellNode(const Index& before, const Index& now, NodeNumber number,
                                     const std::stop_token& stop) {
  const auto was = before.GetNode(number);
  const auto is = was ? now.GetNode(number) : was;
  if (!is) return std::unexpected(is.error());
  const bool is_listed_anew = is->kind == NodeKind::kDirectory && was->content != is->content;
  if (is_listed_anew) {
    const auto listed_before = before.GetDirectory(was->content);
    const auto listed_now = listed_before ? now.GetDirectory(is->content) : listed_before;
    if (!listed_now) return std::unexpected(listed_now.error());
    if (auto told = TellEntries(before, now, number, *listed_before, *listed_now, stop); !told) return told;
  }
  if (is->kind == NodeKind::kHardLink) {  // the name of another inode from now on
    const auto folder = now.GetParent(number);
    const auto name = folder ? now.GetName(*is) : std::unexpected(folder.error());
    if (!name) return std::unexpected(name.error());
    TellName(*folder, *name);
    return {};
  }
  TellInode(number, is_listed_anew);
  return {};
}

Result<void> KernelNotices::TellEntries(const Index& before, const Index& now, NodeNumber folder, const Directory& was,
                                        const Directory& is, const std::stop_token& stop) {
  Children old_ones(before, was);
  Children new_ones(now, is);
  auto read = old_ones.Read();
  if (read) read = new_ones.Read();
  while (read && !(old_ones.is_at_end && new_ones.is_at_end) && !stop.stop_requested()) {
    const bool has_old = !old_ones.is_at_end && (new_ones.is_at_end || old_ones.name <= new_ones.name);
    const bool has_new = !new_ones.is_at_end && (old_ones.is_at_end || new_ones.name <= old_ones.name);
    if (!has_old || !has_new || old_ones.number != new_ones.number)
      TellName(folder, has_old ? old_ones.name : new_ones.name);
    if (has_old) read = old_ones.Read();
    if (has_new && read) read = new_ones.Read();
  }
  return read;
}

// An error says that the kernel knows nothing of it, or that the mount ends.
void KernelNotices::TellName(NodeNumber folder, std::string_view name) {
  const fuse_ino_t inode = InodeOf(folder);
  if (inode == 0) return;
  ++told_;
  fuse_lowlevel_notify_inval_entry(session_, inode, name.data(), name.size());
}

void KernelNotices::TellInode(NodeNumber number, bool with_content) {
  const fuse_ino_t inode = InodeOf(number);
  if (inode == 0) return;
  ++told_;
  fuse_lowlevel_notify_inval_inode(session_, inode, with_content ? 0 : -1, 0);
}

bool KernelNotices::TellAllNames() {
  fuse_out_header notice = {};
  notice.len = sizeof(notice);
  notice.error = kNotifyIncEpoch;
  return write(fuse_session_fd(session_), &notice, sizeof(notice)) == sizeof(notice);
}

}  // namespace quire
