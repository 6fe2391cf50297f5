// SPDX-License-Identifier: Apache-2.0
// Paths inside a pack, as the kernel would walk them on a mount.
#pragma once

#include <string_view>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

enum class LastSymlink : bool { kKeep, kFollow };

// Walks `path` from `root`, a directory of the pack (a leading '/' means the same). Follows symlinks on the way, and at
// its end if asked to; '..' of the root is the root. Hard links are resolved. kNotFound says which component is
// missing, is no directory, or leads out of the pack (an absolute target), or that there are more than 40 symlinks on
// the way.
Result<NodeNumber> ResolvePath(const Index& index, std::string_view path, LastSymlink last, NodeNumber root = 0);

}  // namespace quire
