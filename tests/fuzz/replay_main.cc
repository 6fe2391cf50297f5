// SPDX-License-Identifier: Apache-2.0
// Gives a target each file of a folder, in the order of their names: what was found once stays mended in every build.
//     fuzz_TARGET FOLDER
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_tree.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} FOLDER\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) inputs.push_back(entry.path());
  std::ranges::sort(inputs);
  for (const auto& input : inputs) {
    fmt::print("{}\n", input.filename().string());  // the last one tells which ended the program
    static_cast<void>(std::fflush(stdout));
    const std::string bytes = quire::ReadFile(input.string());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  // An empty folder tests nothing.
  fmt::print("{} inputs\n", inputs.size());
  return inputs.empty() ? 1 : 0;
}
