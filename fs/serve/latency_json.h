// SPDX-License-Identifier: Apache-2.0
// How many things took how long, as control files tell it.
#pragma once

#include <array>
#include <cstdint>

#include "cache/cache_stats.h"
#include "fs/json_text.h"

namespace quire {

// A list of ranges of time, each twice as long as the one before, with `what` in each: {"from_us": 2, "below_us": 4,
// what: 17}; `below_us` of the last one is null.
Json LatencyJson(const std::array<uint64_t, kLatencyBuckets>& counts, const char* what);

}  // namespace quire
