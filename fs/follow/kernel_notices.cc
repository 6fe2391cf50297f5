// SPDX-License-Identifier: Apache-2.0
#include "fs/follow/kernel_notices.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <string_view>

#include "format/growth/generation_walk.h"

namespace quire {
namespace {

// FUSE_NOTIFY_INC_EPOCH of linux/fuse.h from protocol 7.44 on; libfuse sends it from 3.18 on, which is newer than most
// systems have.
constexpr int kNotifyIncEpoch = 8;

// What ends a walk where nobody waits for the rest.
Error Stopped() { return {.code = ErrorCode::kInterrupted, .message = "interrupted"}; }

}  // namespace

Result<void> KernelNotices::Tell(const Index& before, const Index& now, const std::stop_token& stop) {
  const auto told = ForEachReplaced(before, now, [&](NodeNumber number) -> Result<void> {
    if (stop.stop_requested()) return std::unexpected(Stopped());
    return TellNode(before, now, number, stop);
  });
  return told || told.error().code == ErrorCode::kInterrupted ? Result<void>() : told;
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
    auto told =
        CompareListings({.index = before, .directory = *listed_before}, {.index = now, .directory = *listed_now},
                        [&](const ListedEntry* had, const ListedEntry* has) -> Result<void> {
                          if (stop.stop_requested()) return std::unexpected(Stopped());
                          if (had == nullptr || has == nullptr || had->number != has->number)
                            TellName(number, had != nullptr ? had->name : has->name);
                          return {};
                        });
    if (!told) return told;
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
