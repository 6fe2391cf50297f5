// SPDX-License-Identifier: Apache-2.0
// Which tier a mount uses, as plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quire {

// What is brought to a tier before anybody asks for it: what a plan tells, or all.
enum class TierPrefetch : uint8_t { kOff, kEpoch, kAll };

inline constexpr std::array<std::pair<std::string_view, TierPrefetch>, 3> kTierPrefetchNames = {{
    {"off", TierPrefetch::kOff},
    {"epoch", TierPrefetch::kEpoch},
    {"all", TierPrefetch::kAll},
}};

// Below that a rate is a slip, such as a 5 that means megabytes: a page would take more than half a minute.
inline constexpr uint64_t kLeastPrefetchBytesPerS = 64 << 10;

struct TierOptions {
  std::string directory = {};               // empty: no tier
  std::optional<uint64_t> most_bytes = {};  // empty: half of what its file system has free beside what the tier holds
  TierPrefetch prefetch = TierPrefetch::kEpoch;
  uint64_t prefetch_bytes_per_s = 0;    // 0: what those leave who read
  std::vector<std::string> peers = {};  // URLs of neighbours' tiers, which are asked before the origin
  std::string ca_file = {};  // certificates that are trusted of neighbours, in place of the system's; empty: those

  bool operator==(const TierOptions&) const = default;
};

}  // namespace quire
