// `quire bench` is a program of its own, quire-bench: it links what only measuring needs (LMDB, libzip, libarchive,
// io_uring), and the daemon on every node should not.
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tools/command.h"

namespace quire {

void AddBenchCommand(CLI::App& app) {
  app.add_subcommand("bench", "Measure a storage, a loader's epochs, names and attributes, or container formats");
}

int RunBenchCommand(char** argv) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Fail("bench", SystemError(error.value(), "/proc/self/exe").error());
  const std::string program = self.parent_path() / "quire-bench";
  execv(program.c_str(), argv);
  return Fail("bench", SystemError(errno, "{} (it belongs beside {})", program, self.string()).error());
}

}  // namespace quire
