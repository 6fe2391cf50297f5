#include <cstdio>

#include "tools/bench/experiment.h"
#include "tools/complete.h"

namespace {

int Run(int argc, char** argv) {
  CLI::App app("Measures how fast a storage is for loaders of many files. Reads only, but for 'formats'.",
               "quire bench");
  app.set_version_flag("--version", "quire " QUIRE_VERSION);
  app.require_subcommand(1);
  quire::Body run;
  quire::bench::AddIoCommand(app, run);
  quire::bench::AddEpochCommand(app, run);
  quire::bench::AddMetaCommand(app, run);
  quire::bench::AddFormatsCommand(app, run);
  if (quire::IsCompleteCommand(argc, argv)) return quire::RunCompleteCommand(app, argc, argv);
  return quire::ParseAndRun(app, run, argc, argv);
}

}  // namespace

int main(int argc, char** argv) try {
  return Run(argc, argv);
} catch (const std::exception& error) {  // no memory, most likely
  std::fprintf(stderr, "quire bench: %s\n", error.what());
  return quire::kExitFailed;
}
