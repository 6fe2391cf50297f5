// SPDX-License-Identifier: Apache-2.0
// Tells the kernel what another generation of the pack has made wrong of what it remembers: names, attributes and
// listings of what changed, and nothing else, so that all other names, inodes and their bytes stay in its memory.
// FUSE_NOTIFY_INC_EPOCH would tell of all names at once, and is only used where it cannot be known which have changed:
// the kernel drops each name when it is next used, and with it the inode and all of its bytes.
//
// A name is told with the lock of its folder, which who looks something up there holds as well, until he is answered.
// So only a thread that answers nothing may tell, and while requests are being answered; and who looked something up
// before the generation was changed has had his answer, and entered it, when the name is told.
#pragma once

#include <cstdint>
#include <stop_token>

#include "format/pack/index.h"
#include "format/result.h"
#include "fs/inodes.h"
#include "fs/libfuse.h"

namespace quire {

class KernelNotices {
 public:
  // `session` must outlive it. `inodes`: of the mount.
  KernelNotices(fuse_session* session, InodeMap inodes) : session_(session), inodes_(inodes) {}

  // Tells what differs between `before` and `now`, which answers requests already. Blocks, as said above, until all is
  // told or `stop` is requested. The error is that of an index which cannot be read: what differs is not known then.
  // Costs what changed: the folders that were listed anew, name by name.
  Result<void> Tell(const Index& before, const Index& now, const std::stop_token& stop);
  // All names may be others. False where the kernel does not know how to hear that, which Linux does from 6.16 on.
  bool TellAllNames();

  // Names and inodes that were told; the kernel did not have all of them.
  [[nodiscard]] uint64_t told() const { return told_; }

 private:
  Result<void> TellNode(const Index& before, const Index& now, NodeNumber number, const std::stop_token& stop);
  void TellName(NodeNumber folder, std::string_view name);
  // `with_content`: also what is kept of a folder's listing.
  void TellInode(NodeNumber number, bool with_content);
  // 0 where the mount does not show the node.
  [[nodiscard]] fuse_ino_t InodeOf(NodeNumber number) const {
    return number < inodes_.root() ? 0 : inodes_.InodeOf(number);
  }

  fuse_session* const session_;
  const InodeMap inodes_;
  uint64_t told_ = 0;
};

}  // namespace quire
