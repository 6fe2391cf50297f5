// SPDX-License-Identifier: Apache-2.0
// Neighbours whose tiers are asked before the origin, as they are given: 'http://node{01..16}:8080/tier', or several of
// these with '+' between them, since ',' ends an option of mount(8).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

// The URLs that `list` names. kInvalid, beginning with `what`, where there are none, too many, or one is no URL.
Result<std::vector<std::string>> ParsePeerList(std::string_view what, std::string_view list);

}  // namespace quire
