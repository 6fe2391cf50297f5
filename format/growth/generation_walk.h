// SPDX-License-Identifier: Apache-2.0
// What a generation of a pack states anew of nodes that an older one has: a walk that costs what changed, not the tree.
#pragma once

#include <functional>
#include <string_view>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Calls `visit` for each node of `before` of which a layer between the two states another record; once for each such
// layer. `before` and `now` are generations of the same pack, `before` the older one. Ends with an error of `visit`,
// or of the index.
Result<void> ForEachReplaced(const Index& before, const Index& now,
                             const std::function<Result<void>(NodeNumber number)>& visit);

struct ListedEntry {
  NodeNumber number = 0;
  Node node;
  std::string_view name;  // valid during the call
};

// A directory of a generation.
struct Listing {
  const Index& index;
  const Directory& directory;
};

// Calls `visit` for each name that one of the two directories lists, in their order: with the entry of each, null
// where it has none of that name. Ends with an error of `visit`, or of the index.
Result<void> CompareListings(const Listing& before, const Listing& now,
                             const std::function<Result<void>(const ListedEntry* was, const ListedEntry* is)>& visit);

}  // namespace quire
