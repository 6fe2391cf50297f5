// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/latency_json.h"

namespace quire {

Json LatencyJson(const std::array<uint64_t, kLatencyBuckets>& counts, const char* what) {
  Json ranges = Json::array();
  for (size_t i = 0; i < kLatencyBuckets; ++i) {
    const bool is_last = i + 1 == kLatencyBuckets;
    ranges.push_back({{"from_us", i == 0 ? 0 : uint64_t{1} << i},
                      {"below_us", is_last ? Json() : Json(uint64_t{1} << (i + 1))},
                      {what, counts[i]}});
  }
  return ranges;
}

}  // namespace quire
