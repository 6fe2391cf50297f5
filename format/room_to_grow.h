// SPDX-License-Identifier: Apache-2.0
// How long tables are that are as long as a pack, where the pack may grow while they are used. Their memory is address
// space until it is touched (zeroed_array.h), so there is room for far more than most packs grow by before they are
// mounted anew.
#pragma once

#include <cstdint>

namespace quire {

// Of records: nodes, extents. A pack that begins with next to nothing has room for 16 million.
constexpr uint64_t RecordsWithRoomToGrow(uint64_t records) { return 4 * records + (uint64_t{1} << 24); }

// Of pages of 2 MiB: room for 2 TiB more, at least.
constexpr uint64_t PagesWithRoomToGrow(uint64_t pages) { return 4 * pages + (uint64_t{1} << 20); }

}  // namespace quire
