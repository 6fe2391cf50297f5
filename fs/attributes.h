// What stat(2) says of a node.
#pragma once

#include <sys/stat.h>

#include "format/index.h"
#include "format/result.h"

namespace quire {

// Node 0, the root, is inode 1, which FUSE demands.
constexpr ino_t InodeOf(NodeNumber number) { return number + 1; }
constexpr NodeNumber NodeOf(ino_t inode) { return inode - 1; }

// The S_IFMT bits of `kind`. REQUIRES: not kHardLink, which has the type of the node it names.
mode_t TypeOf(NodeKind kind);

// REQUIRES: `number` is resolved (Index::Resolve): the names of a hard-linked sample are one inode.
Result<struct stat> GetStat(const Index& index, NodeNumber number);

}  // namespace quire
