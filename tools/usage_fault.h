// What is wrong with a command line, said with the command that it was meant for and the word that is at fault.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace quire {

struct UsageFault {
  std::string program;  // "quire ls": whose --help helps
  std::string message;
};

// The first command or option that there is not, with the nearest that there is. `words` follow the name of the program
// that `app` parses.
std::optional<UsageFault> FindUsageFault(const CLI::App& app, const std::vector<std::string>& words);

// What the parser found wrong with `words` that FindUsageFault did not.
UsageFault ExplainParseError(const CLI::App& app, const std::vector<std::string>& words, const CLI::ParseError& error);

}  // namespace quire
