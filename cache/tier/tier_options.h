// SPDX-License-Identifier: Apache-2.0
// Which tier a mount uses, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace quire {

struct TierOptions {
  std::string directory = {};               // empty: no tier
  std::optional<uint64_t> most_bytes = {};  // empty: half of what its file system has free beside what the tier holds

  bool operator==(const TierOptions&) const = default;
};

}  // namespace quire
