// SPDX-License-Identifier: Apache-2.0
#include "format/pack/entry_path.h"

#include <ranges>

namespace quire {

std::string JoinUpwards(std::span<const std::string_view> names) {
  std::string path;
  for (const std::string_view name : std::views::reverse(names)) path.append(path.empty() ? "" : "/").append(name);
  return path;
}

}  // namespace quire
