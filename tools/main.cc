#include <cstdio>

#include "tools/command.h"

namespace quire {

int Fail(const char* subcommand, const Error& error) {
  fmt::print(stderr, "quire {}: {}\n", subcommand, error.message);
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

}  // namespace quire

namespace {

int Run(int argc, char** argv) {
  CLI::App app("Packs a directory of many small files into one file, and mounts it.", "quire");
  app.set_version_flag("--version", "quire " QUIRE_VERSION);
  app.require_subcommand(1);
  quire::Body run;
  quire::AddPackCommand(app, run);
  quire::AddMountCommand(app, run);
  quire::AddUmountCommand(app, run);
  quire::AddLsCommand(app, run);
  quire::AddCatCommand(app, run);
  quire::AddExtractCommand(app, run);
  quire::AddInfoCommand(app, run);
  quire::AddVerifyCommand(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "quire: {}\nTry 'quire --help' or 'quire SUBCOMMAND --help'.\n", error.what());
    return quire::kExitUsage;
  }
  const int exit_code = run();
  // What was printed must have arrived: a full disk behind '>' is a failure like any other.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fmt::print(stderr, "quire: standard output: {}\n", std::generic_category().message(errno));
    return quire::kExitFailed;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) try {
  return Run(argc, argv);
} catch (const std::exception& error) {  // no memory, most likely
  std::fprintf(stderr, "quire: %s\n", error.what());
  return quire::kExitFailed;
}
