// SPDX-License-Identifier: Apache-2.0
// The extended attributes that a pack holds: `user.` ones of samples and directories.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// The value of `name`, in memory of `index`; empty when node `number` has no such attribute.
Result<std::optional<std::span<const std::byte>>> FindXattr(const Index& index, NodeNumber number,
                                                            std::string_view name);

// All names, each followed by a NUL, as listxattr(2) wants them.
Result<std::string> ListXattrNames(const Index& index, NodeNumber number);

}  // namespace quire
