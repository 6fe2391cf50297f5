#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "format/escaping.h"
#include "tools/bench/experiment.h"
#include "tools/bench/sample_store.h"
#include "tools/complete.h"
#include "tools/standard_streams.h"

namespace {

int Run(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  CLI::App app("Measures how fast a storage is for loaders of many files. It only reads.", "quire bench");
  quire::SetUpParser(app);
  quire::Body run;
  quire::bench::AddIoCommand(app, run);
  quire::bench::AddEpochCommand(app, run, quire::bench::OpenStore);
  quire::bench::AddMetaCommand(app, run);
  if (quire::IsCompleteCommand(words)) return quire::RunCompleteCommand(app, words);
  return quire::ParseAndRun(app, run, words);
}

}  // namespace

int main(int argc, char** argv) try {
  quire::OpenClosedStreams();
  return Run(argc, argv);
} catch (const std::bad_alloc&) {
  std::fprintf(stderr, "quire bench: there is not enough memory\n");
  return quire::kExitFailed;
} catch (const std::exception& error) {
  std::fprintf(stderr, "quire bench: %s\n", quire::EscapeLine(error.what()).c_str());
  return quire::kExitFailed;
}
