// SPDX-License-Identifier: Apache-2.0
// `quire bench` is a program of its own, quire-bench: it is for whoever measures, and not for every node
// that mounts. It lies beside quire where it was built, and in libexec where it
// is installed.
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tools/command.h"

namespace quire {

void AddBenchCommand(Command program) {
  program.AddSubcommand("bench", "Measure a storage, a loader's epochs, names and attributes, or training");
}

int RunBenchCommand(std::vector<std::string> words) {
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail("bench", SystemError(error.value(), "/proc/self/exe").error());
  const std::filesystem::path folder = self.parent_path();
  for (const auto& program : {folder / "quire-bench", folder / "../libexec/quire/quire-bench"}) {
    execv(program.c_str(), argv.data());
    if (errno != ENOENT) return Fail("bench", SystemError(errno, "{}", program.string()).error());
  }
  const std::string libexec = folder.parent_path() / "libexec/quire";
  const auto absent =
      SystemError(ENOENT,
                  "quire-bench, in {} or in {}; its package is called quire-bench as well, and so is the "
                  "target that builds it",
                  folder.string(), libexec);
  return Fail("bench", absent.error());
}

}  // namespace quire
