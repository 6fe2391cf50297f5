// SPDX-License-Identifier: Apache-2.0
// What a tier holds of a volume, for who looks and nothing else: without the tier's lock, without a right to write, and
// without a change of any file. So what is told is what records say, some of them of a moment ago, and bytes are not
// compared with their sums. The files are believed no further than TierMap believes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/tier/tier_map.h"
#include "format/result.h"

namespace quire {

struct TierLook {
  TierMapHead head;                 // of the folder that was named
  std::vector<uint8_t> units = {};  // of each page of the volume: how many of its UnitSet::kUnits are there
};

// Of the folder of a volume; of that of a part of one, with the parts below it, as far as each is there. `most_bytes`:
// a volume that is said to be larger is an error, since a map may say anything.
Result<TierLook> LookAtTierVolume(const std::string& folder, uint64_t most_bytes);

// The folder of the volume of that source in the tier `directory`, or of the last of its parts; of several states of
// it, the one that was made last. Nothing where the tier holds none. An error where it cannot be read, or is no tier.
Result<std::optional<std::string>> FindTierFolder(const std::string& directory, const std::string& source);

}  // namespace quire
