// SPDX-License-Identifier: Apache-2.0
// Archives that are known by their first bytes, and whose members cannot be read where they lie.
#pragma once

#include <cstdint>
#include <string_view>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// "a 7z archive", say; empty for what is none of those. Tars and zips are not among them. The error is kSystem.
Result<std::string_view> FindArchiveKind(const File& file);

}  // namespace quire
