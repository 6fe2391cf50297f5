#include "tools/command.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "format/escaping.h"
#include "tools/command_help.h"
#include "tools/command_words.h"
#include "tools/interrupt.h"
#include "tools/mount_log.h"
#include "tools/standard_streams.h"
#include "tools/usage_fault.h"

namespace quire {
namespace {

// "quire bench io": the program and the subcommands that were chosen.
std::string CommandName(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* const subcommand : app.get_subcommands()) name += " " + subcommand->get_name();
  return name;
}

// What was printed must have arrived: a full disk behind '>' is a failure like any other.
int FlushOutput(const CLI::App& app, int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  PrintToStderr(fmt::format("{}: standard output: {}\n", app.get_name(), std::generic_category().message(errno)));
  return kExitFailed;
}

// The words as the parser takes them, last first. It takes "[a,b]" for a list of values: a path that looks like one
// gets
// "./" before it, which changes nothing for a file, and nothing for a path in a pack.
std::vector<std::string> WordsForParser(const CLI::App& app, const std::vector<std::string>& words) {
  CommandWords line(app);
  std::vector<std::string> taken;
  for (const std::string& word : words) {
    const bool is_like_list = word.starts_with('[') && word.ends_with(']');
    const bool is_path = line.Take(word) == CommandWords::Role::kPositional;
    taken.push_back(is_path && is_like_list ? "./" + word : word);
  }
  std::ranges::reverse(taken);
  return taken;
}

}  // namespace

int Fail(const char* subcommand, const Error& error) {
  PrintToStderr(fmt::format("quire {}: {}\n", subcommand, EscapeLine(error.message)));
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

void SetUpParser(CLI::App& app) {
  app.formatter_fn(FormatHelp);
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("-V,--version", "quire " QUIRE_VERSION, "Print the version and exit");
  app.require_subcommand(1);
}

int ParseAndRun(CLI::App& app, const Body& run, const std::vector<std::string>& words) {
  const auto refuse = [](const UsageFault& fault) {
    PrintToStderr(fmt::format("{0}: {1}\nTry '{0} --help'.\n", fault.program, EscapeLine(fault.message)));
    return kExitUsage;
  };
  if (const auto fault = FindUsageFault(app, words)) return refuse(*fault);
  try {
    app.parse(WordsForParser(app, words));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return FlushOutput(app, kExitOk);
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return FlushOutput(app, kExitOk);
  } catch (const CLI::ParseError& error) {
    return refuse(ExplainParseError(app, words, error));
  }
  // Not to standard output, as by default, where samples may go. What harms the work, commands tell themselves.
  LogToStderr(spdlog::level::err);
  ReportInterrupts(CommandName(app));
  const int exit_code = run();
  if (exit_code != kExitOk) EndIfInterrupted();
  return FlushOutput(app, exit_code);
}

}  // namespace quire
