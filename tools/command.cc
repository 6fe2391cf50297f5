// SPDX-License-Identifier: Apache-2.0
#include "tools/command.h"

#include <cerrno>
#include <cstdio>

#include "format/escaping.h"
#include "tools/command_words.h"
#include "tools/interrupt.h"
#include "tools/mount_log.h"
#include "tools/standard_streams.h"
#include "tools/usage_fault.h"

namespace quire {
namespace {

// What was printed must have arrived: a full disk behind '>' is a failure like any other.
int FlushOutput(const Program& program, int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  PrintToStderr(
      fmt::format("{}: standard output: {}\n", program.root().name(), std::generic_category().message(errno)));
  return kExitFailed;
}

// The words as the parser takes them. It takes "[a,b]" for a list of values: a path that looks like one gets "./"
// before it, which changes nothing for a file, and nothing for a path in a pack.
std::vector<std::string> WordsForParser(Command root, const std::vector<std::string>& words) {
  CommandWords line(root);
  std::vector<std::string> taken;
  for (const std::string& word : words) {
    const bool is_like_list = word.starts_with('[') && word.ends_with(']');
    const bool is_path = line.Take(word) == CommandWords::Role::kPositional;
    taken.push_back(is_path && is_like_list ? "./" + word : word);
  }
  return taken;
}

}  // namespace

int Fail(const char* subcommand, const Error& error) {
  PrintToStderr(fmt::format("quire {}: {}\n", subcommand, EscapeLine(error.message)));
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

int ParseAndRun(Program& program, const Body& run, const std::vector<std::string>& words) {
  const auto refuse = [](const UsageFault& fault) {
    PrintToStderr(fmt::format("{0}: {1}\nTry '{0} --help'.\n", fault.program, EscapeLine(fault.message)));
    return kExitUsage;
  };
  if (const auto fault = FindUsageFault(program.root(), words)) return refuse(*fault);
  const auto parsed = program.Parse(WordsForParser(program.root(), words));
  if (!parsed) return refuse(ExplainParseFault(program.root(), words, parsed.error()));
  if (!*parsed) return FlushOutput(program, kExitOk);
  // Not to standard output, as by default, where samples may go. What harms the work, commands tell themselves.
  LogToStderr(spdlog::level::err);
  ReportInterrupts(program.chosen().full_name());
  const int exit_code = run();
  if (exit_code != kExitOk) EndIfInterrupted();
  return FlushOutput(program, exit_code);
}

}  // namespace quire
