// SPDX-License-Identifier: Apache-2.0
// Paths of entries, from the root of a pack and without a leading '/'.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace quire {

// The path of an entry, by the names on the way from it up to the root, its own first. "" of the root, which has none.
std::string JoinUpwards(std::span<const std::string_view> names);

// How long the path of an entry is, by that of its folder, 0 for the root, and its name.
constexpr size_t PathBytesBelow(size_t folder_path_bytes, size_t name_bytes) {
  return folder_path_bytes + (folder_path_bytes > 0 ? 1 : 0) + name_bytes;
}

}  // namespace quire
