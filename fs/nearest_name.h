// SPDX-License-Identifier: Apache-2.0
// What was meant by a name that is mistyped: of a command, an option, a mount option.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace quire {

// The one of `names` that is nearest to `word`: by the fewest letters to insert, remove, replace or exchange with their
// neighbour. Empty where none is near: more than one letter in three, and more than one, would be wrong.
std::optional<std::string_view> FindNearestName(std::string_view word, std::span<const std::string_view> names);

}  // namespace quire
