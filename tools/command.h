// The `quire` command: main.cc owns the parser, one file a subcommand adds its own options and body.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire {

// Exit codes of every subcommand; one that is interrupted ends by the signal (interrupt.h).
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // the work could not be done, or not completely
inline constexpr int kExitUsage = 2;   // the command line makes no sense

// Adds its subcommand to `app`; when it is the one chosen, `run` becomes its body, which returns an exit code.
using Body = std::function<int()>;
void AddPackCommand(CLI::App& app, Body& run);
void AddMountCommand(CLI::App& app, Body& run);
void AddUmountCommand(CLI::App& app, Body& run);
void AddMountsCommand(CLI::App& app, Body& run);
void AddLsCommand(CLI::App& app, Body& run);
void AddCatCommand(CLI::App& app, Body& run);
void AddExtractCommand(CLI::App& app, Body& run);
void AddDiffCommand(CLI::App& app, Body& run);
void AddInfoCommand(CLI::App& app, Body& run);
void AddVerifyCommand(CLI::App& app, Body& run);

// For --help. The words behind 'bench' belong to another program, which RunBenchCommand becomes: `words` begin with
// 'bench'. Returns only if that fails, with the exit code.
void AddBenchCommand(CLI::App& app);
int RunBenchCommand(std::vector<std::string> words);

// Prints "quire SUBCOMMAND: MESSAGE" to stderr, fit for a terminal, and returns the exit code that fits the error.
int Fail(const char* subcommand, const Error& error);

// 'quire help COMMAND' is 'quire COMMAND --help'.
inline constexpr const char* kHelpCommand = "help";

// Gives a program whose work is all in subcommands its form of help, -h and -V. Call it before they are added.
void SetUpParser(CLI::App& app);

// Parses the command line, runs the body that it chose, and makes sure that what was printed arrived: what main
// returns. `words` are those behind the program's name.
int ParseAndRun(CLI::App& app, const Body& run, const std::vector<std::string>& words);

}  // namespace quire
