// SPDX-License-Identifier: Apache-2.0
// What an index of archives is without: whoever made it was told by name, others know the number only.
#pragma once

#include <optional>
#include <string>

#include "format/pack/superblock.h"

namespace quire {

// A sentence for who uses the index; nothing where it has all members, or is no index of archives.
std::optional<std::string> DescribeLeftOut(const Superblock& superblock);

}  // namespace quire
