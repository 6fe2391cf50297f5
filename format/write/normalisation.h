// SPDX-License-Identifier: Apache-2.0
// What a pack may have instead of the source's owners and times, so that trees of equal content make equal packs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "format/result.h"

namespace quire {

// Each that is set holds for every entry.
struct Normalisation {
  std::optional<uint64_t> mtime;  // see EncodeMtime
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

// "@SECONDS" since 1970, "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SS", both UTC, the last with or without a 'Z'. kInvalid
// names
// --mtime.
Result<uint64_t> ParseMtime(std::string_view text);

// "UID", "UID:GID" or ":GID", numbers from 0 to 4294967294, into `normalisation`. kInvalid names --owner.
Result<void> ParseOwner(std::string_view text, Normalisation& normalisation);

}  // namespace quire
