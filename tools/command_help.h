// The form of --help: usage with all that must be given, arguments, options, commands, in lines of 80 columns.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace quire {

// For CLI::App::formatter_fn. `program`: "quire ls".
std::string FormatHelp(const CLI::App* app, const std::string& program, CLI::AppFormatMode mode);

// "quire pack SRC -o OUT [OPTION]...".
std::string UsageOf(const CLI::App& app, const std::string& program);

}  // namespace quire
