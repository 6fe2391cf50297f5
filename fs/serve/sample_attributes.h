// SPDX-License-Identifier: Apache-2.0
// Extended attributes by which a mount tells where a sample lies. They are told to who asks for them by name, and
// listed nowhere, so that a copy of a tree with its attributes is a copy of the source's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache/page_cache.h"
#include "format/pack/pack.h"
#include "format/result.h"

namespace quire {

// What their names begin with. The source's attributes of such names come first.
inline constexpr std::string_view kSampleAttributePrefix = "user.quire.";

// A list of more is not made: 65,536 extents are 128 GiB, and a thread is busy for some milliseconds.
inline constexpr uint64_t kMostToldExtents = 65536;

// The value of
//   user.quire.volume    the file or URL in which the sample's bytes begin
//   user.quire.page      the number of the page of 2 MiB in it
//   user.quire.extents   where they lie in it: OFFSET+LENGTH, with "," between them
//   user.quire.xxh3      the XXH3-64 of each extent, 16 digits each, with "," between them
//   user.quire.resident  how many of them the memory of the mount holds now
// Nothing where there is no such name, the sample has no bytes or more than kMostToldExtents extents, or its volume has
// no such sums. May wait for the index. REQUIRES: node.is_sample().
Result<std::optional<std::string>> TellOfSample(const Pack& pack, PageCache& cache, const Node& node,
                                                std::string_view name);

}  // namespace quire
