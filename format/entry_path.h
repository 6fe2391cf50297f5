// Paths of entries, from the root of a pack and without a leading '/'.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace quire {

// The path of an entry, by the names on the way from it up to the root, its own first. "" of the root, which has none.
std::string JoinUpwards(std::span<const std::string_view> names);

}  // namespace quire
