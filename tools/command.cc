#include "tools/command.h"

#include <cstdio>

#include "tools/interrupt.h"

namespace quire {
namespace {

// "quire bench io": the program and the subcommands that were chosen.
std::string CommandName(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* const subcommand : app.get_subcommands()) name += " " + subcommand->get_name();
  return name;
}

}  // namespace

int Fail(const char* subcommand, const Error& error) {
  fmt::print(stderr, "quire {}: {}\n", subcommand, error.message);
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

int ParseAndRun(CLI::App& app, const Body& run, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{0}: {1}\nTry '{0} --help' or '{0} SUBCOMMAND --help'.\n", app.get_name(), error.what());
    return kExitUsage;
  }
  ReportInterrupts(CommandName(app));
  const int exit_code = run();
  if (exit_code != kExitOk) EndIfInterrupted();
  // What was printed must have arrived: a full disk behind '>' is a failure like any other.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fmt::print(stderr, "{}: standard output: {}\n", app.get_name(), std::generic_category().message(errno));
    return kExitFailed;
  }
  return exit_code;
}

}  // namespace quire
