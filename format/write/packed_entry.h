// SPDX-License-Identifier: Apache-2.0
// What a pack says of one of its entries, for another pack that takes it over.
#pragma once

#include <string>
#include <string_view>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

struct PackedEntry {
  Attributes attributes;
  std::string xattrs;  // a list as IndexTables::InternXattrs takes it, by name, whatever the order in the pack
  std::string_view target = {};  // of a symlink; as long as the index
};

// kCorrupt, kSystem as of Index. REQUIRES: `node` is of `index`, and no hard link.
Result<PackedEntry> DescribeEntry(const Index& index, const Node& node);

}  // namespace quire
