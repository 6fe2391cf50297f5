// SPDX-License-Identifier: Apache-2.0
// The numbers by which the kernel knows what a mount holds: nodes of the pack, and the control files behind them.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "format/pack/geometry.h"

namespace quire {

// The inode of a node that is not the mount's root; the root of the pack is inode 1.
constexpr ino_t InodeOf(NodeNumber number) { return number + 1; }
constexpr NodeNumber NodeOf(ino_t inode) { return inode - 1; }

// Inodes of a mount whose root is any directory of the pack: the root is inode 1, as FUSE demands.
class InodeMap {
 public:
  explicit InodeMap(NodeNumber root) : root_(root) {}

  [[nodiscard]] NodeNumber root() const { return root_; }
  [[nodiscard]] ino_t InodeOf(NodeNumber number) const { return number == root_ ? 1 : quire::InodeOf(number); }
  [[nodiscard]] NodeNumber NodeOf(ino_t inode) const { return inode == 1 ? root_ : quire::NodeOf(inode); }

 private:
  NodeNumber root_;
};

inline constexpr std::string_view kControlFolderName = ".quire";
inline constexpr std::string_view kPlanName = "plan";
inline constexpr std::string_view kTraceName = "trace";

// Inodes behind those of all nodes that a pack can have.
inline constexpr ino_t kControlFolderInode = kMaxRecords + 2;

// The pipes have always these, so that all programs that open one meet.
inline constexpr ino_t kPlanInode = kControlFolderInode + 1;
inline constexpr ino_t kTraceInode = kPlanInode + 1;

constexpr bool IsControlInode(ino_t inode) { return inode >= kControlFolderInode; }

}  // namespace quire
