// SPDX-License-Identifier: Apache-2.0
// What is wrong with a command line, said with the command that it was meant for and the word that is at fault.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/parser.h"

namespace quire {

struct UsageFault {
  std::string program;  // "quire ls": whose --help helps
  std::string message;
};

// The first command or option that there is not, with the nearest that there is. `words` follow the name of the
// program, `root`.
std::optional<UsageFault> FindUsageFault(Command root, const std::vector<std::string>& words);

// What the parser found wrong with `words` that FindUsageFault did not.
UsageFault ExplainParseFault(Command root, const std::vector<std::string>& words, const ParseFault& found);

}  // namespace quire
