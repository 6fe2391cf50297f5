// SPDX-License-Identifier: Apache-2.0
// The `quire` command: main.cc owns the Program, one file a subcommand adds its own options and body.
#pragma once

#include <string>
#include <vector>

#include "format/result.h"
#include "tools/parser.h"

namespace quire {

// Exit codes of every subcommand; one that is interrupted ends by the signal (interrupt.h).
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // the work could not be done, or not completely
inline constexpr int kExitUsage = 2;   // the command line makes no sense

// Each adds its subcommand to `program`. When it is the one chosen, `run` becomes its body.
void AddPackCommand(Command program, Body& run);
void AddAppendCommand(Command program, Body& run);
void AddRmCommand(Command program, Body& run);
void AddGenerationsCommand(Command program, Body& run);
void AddCompactCommand(Command program, Body& run);
void AddIndexCommand(Command program, Body& run);
void AddMergeCommand(Command program, Body& run);
void AddMountCommand(Command program, Body& run);
void AddUmountCommand(Command program, Body& run);
void AddMountsCommand(Command program, Body& run);
void AddStatsCommand(Command program, Body& run);
void AddTopCommand(Command program, Body& run);
void AddMapCommand(Command program, Body& run);
void AddLsCommand(Command program, Body& run);
void AddCatCommand(Command program, Body& run);
void AddExtractCommand(Command program, Body& run);
void AddExportCommand(Command program, Body& run);
void AddDiffCommand(Command program, Body& run);
void AddInfoCommand(Command program, Body& run);
void AddVerifyCommand(Command program, Body& run);
void AddFetchCommand(Command program, Body& run);
void AddTierCommand(Command program, Body& run);
void AddTraceCommand(Command program, Body& run);
void AddSimCommand(Command program, Body& run);

// For --help. The words behind 'bench' belong to another program, which RunBenchCommand becomes: `words` begin with
// 'bench'. Returns only if that fails, with the exit code.
void AddBenchCommand(Command program);
int RunBenchCommand(std::vector<std::string> words);

// Prints "quire SUBCOMMAND: MESSAGE" to stderr, fit for a terminal, and returns the exit code that fits the error.
int Fail(const char* subcommand, const Error& error);

// 'quire help COMMAND' is 'quire COMMAND --help'.
inline constexpr const char* kHelpCommand = "help";

// Parses the command line, runs the body that it chose, and makes sure that what was printed arrived: what main
// returns. `words` are those behind the program's name.
int ParseAndRun(Program& program, const Body& run, const std::vector<std::string>& words);

}  // namespace quire
