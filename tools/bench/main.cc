// SPDX-License-Identifier: Apache-2.0
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
  quire::Program program("quire bench", "Measures how fast a storage is for loaders of many files. It only reads.");
  quire::Body run;
  quire::bench::AddIoCommand(program.root(), run);
  quire::bench::AddEpochCommand(program.root(), run, quire::bench::OpenStore);
  quire::bench::AddMetaCommand(program.root(), run);
  quire::bench::AddTrainCommand(program.root(), run, quire::bench::OpenStore);
  if (quire::IsCompleteCommand(words)) return quire::RunCompleteCommand(program.root(), words);
  return quire::ParseAndRun(program, run, words);
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
