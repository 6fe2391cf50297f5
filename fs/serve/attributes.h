// What stat(2) says of a node.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "format/pack/index.h"
#include "format/result.h"

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

// The S_IFMT bits of `kind`. REQUIRES: not kHardLink, which has the type of the node it names.
mode_t TypeOf(NodeKind kind);

// Owners and modes that a mount shows instead of those in the pack, where they are set.
struct AttributeOverrides {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<mode_t> file_mask;       // regular files have the mode 0777 without these bits
  std::optional<mode_t> directory_mask;  // as have directories; symlinks keep theirs, which nobody looks at

  bool operator==(const AttributeOverrides&) const = default;
};

// What stat(2) says of a node, but for its inode, which depends on the mount's root.
// REQUIRES: `node` is resolved (Index::Resolve): the names of a hard-linked sample are one inode.
Result<struct stat> GetStat(const Index& index, const Node& node, const AttributeOverrides& overrides);
// The same of the node `number`, which is read for it.
Result<struct stat> GetStat(const Index& index, NodeNumber number, const AttributeOverrides& overrides);

}  // namespace quire
