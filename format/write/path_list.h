// SPDX-License-Identifier: Apache-2.0
// Lists of paths or patterns that people write and programs pipe: one a line, or separated by NUL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

// All that `path` holds, to its end: it may be a pipe. "-" is the standard input.
Result<std::string> ReadList(const std::string& path);

// The entries of a list, empty ones included, as views of `text`. They are separated by NUL where `nul_separated` says
// so or the text has one, else they are lines; where every line ends in CR LF, without the CR.
std::vector<std::string_view> SplitList(std::string_view text, bool nul_separated);

}  // namespace quire
