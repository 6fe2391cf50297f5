// SPDX-License-Identifier: Apache-2.0
// What stat(2) says of a node.
#pragma once

#include <sys/stat.h>

#include <optional>

#include "format/pack/index.h"
#include "format/result.h"
#include "fs/options/mount_options.h"

namespace quire {

// The S_IFMT bits of `kind`. REQUIRES: not kHardLink, which has the type of the node it names.
mode_t TypeOf(NodeKind kind);

// What stat(2) says of a node, but for its inode, which depends on the mount's root.
// REQUIRES: `node` is resolved (Index::Resolve): the names of a hard-linked sample are one inode.
Result<struct stat> GetStat(const Index& index, const Node& node, const AttributeOverrides& overrides);
// The same of the node `number`, which is read for it.
Result<struct stat> GetStat(const Index& index, NodeNumber number, const AttributeOverrides& overrides);

}  // namespace quire
