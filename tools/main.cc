#include <cstdio>
#include <string_view>

#include "tools/command.h"

namespace {

int Run(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "bench") return quire::RunBenchCommand(argv + 1);
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
  quire::AddBenchCommand(app);
  return quire::ParseAndRun(app, run, argc, argv);
}

}  // namespace

int main(int argc, char** argv) try {
  return Run(argc, argv);
} catch (const std::exception& error) {  // no memory, most likely
  std::fprintf(stderr, "quire: %s\n", error.what());
  return quire::kExitFailed;
}
