// SPDX-License-Identifier: Apache-2.0
// Lists that are written as patterns: 'shards-{000000..000146}.tar'.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

// "a{1,2}b{08..10}" as bash(1) expands braces: lists, and ranges of numbers, which have as many digits as the longer
// of both where one begins with a 0. Braces in braces are not expanded. kInvalid where it is more than `most` words.
Result<std::vector<std::string>> ExpandBraces(std::string_view pattern, size_t most);

}  // namespace quire
