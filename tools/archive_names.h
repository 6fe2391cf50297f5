// SPDX-License-Identifier: Apache-2.0
// The archives that one word of a command line names: a file, or a pattern as WebDataset has them,
// "shards-{000000..000146}.tar" or "train-*.tar", which a shell must not have expanded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

// Whether `word` is a pattern and no file of that name is there.
bool IsArchivePattern(const std::string& word);

// The files that `word` names, in the order of the pattern and, where '*', '?' or '[' stand in it, of their names. A
// file of that very name is meant before any pattern. kNotFound where a pattern matches nothing.
Result<std::vector<std::string>> ExpandArchives(const std::string& word);

}  // namespace quire
