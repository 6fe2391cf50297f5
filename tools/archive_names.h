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

// "a{1,2}b{08..10}" as bash(1) expands braces: lists, and ranges of numbers, which have as many digits as the longer
// of both where one begins with a 0. Braces in braces are not expanded. kInvalid where it is more than `most` words.
Result<std::vector<std::string>> ExpandBraces(std::string_view pattern, size_t most);

// The files that `word` names, in the order of the pattern and, where '*', '?' or '[' stand in it, of their names. A
// file of that very name is meant before any pattern. kNotFound where a pattern matches nothing.
Result<std::vector<std::string>> ExpandArchives(const std::string& word);

}  // namespace quire
