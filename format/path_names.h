// SPDX-License-Identifier: Apache-2.0
// The names that a path is made of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quire {

// "a//b/" gives "a" and "b"; of "" and "/" there are none.
std::vector<std::string> SplitPath(std::string_view path);

}  // namespace quire
