// SPDX-License-Identifier: Apache-2.0
// `store_epoch epoch PATH`: what `quire bench epoch` does, for a .tar, .zip or .lmdb file too, so that the comparison
// with peers measures all of them by the same engine.
#include <cstdio>
#include <vector>

#include "format/escaping.h"
#include "tests/bench/stores/archive_stores.h"
#include "tools/bench/experiment.h"

namespace quire::bench {
namespace {

Result<std::unique_ptr<SampleStore>> OpenAnyStore(const std::string& path) {
  if (path.ends_with(".tar")) return OpenTarStore(path);
  if (path.ends_with(".zip")) return OpenZipStore(path);
  if (path.ends_with(".lmdb")) return OpenLmdbStore(path);
  return OpenStore(path);
}

int Run(const std::vector<std::string>& words) {
  Program program("store_epoch", "Reads epochs of samples that lie in a .tar, .zip or .lmdb file.");
  Body run;
  AddEpochCommand(program.root(), run, OpenAnyStore);
  return ParseAndRun(program, run, words);
}

}  // namespace
}  // namespace quire::bench

int main(int argc, char** argv) try {
  return quire::bench::Run({argv + 1, argv + argc});
} catch (const std::exception& error) {  // no memory, most likely
  std::fprintf(stderr, "store_epoch: %s\n", quire::EscapeLine(error.what()).c_str());
  return quire::kExitFailed;
}
