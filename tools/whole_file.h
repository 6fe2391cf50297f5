// SPDX-License-Identifier: Apache-2.0
// Small files that commands make where they are told to, as `>FILE` of a shell would.
#pragma once

#include <string>
#include <string_view>

#include "format/result.h"

namespace quire {

// Makes `path` or empties it, and writes all of `content`. The error names it.
Result<void> WriteWholeFile(const std::string& path, std::string_view content);

}  // namespace quire
