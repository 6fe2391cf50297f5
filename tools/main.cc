#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tools/command.h"
#include "tools/complete.h"
#include "tools/mount_helper.h"

namespace {

// fstab's type 'fuse' and habit: 'quire PACK DIR' is 'quire mount PACK DIR'. What neither is there nor looks like a
// path is a subcommand, most likely with a typing error.
bool IsMountWithoutSaying(const CLI::App& app, int argc, char** argv) {
  if (argc < 3) return false;
  const std::string word = argv[1];
  const auto is_named = [&word](const CLI::App* subcommand) { return subcommand->get_name() == word; };
  if (word.starts_with('-') || !app.get_subcommands(is_named).empty()) return false;
  return word.contains('/') || access(word.c_str(), F_OK) == 0;
}

int Run(int argc, char** argv) {
  if (argc > 0 && quire::IsMountHelper(argv[0])) return quire::RunMountHelper(argc, argv);
  // 'quire complete -- bench WORDS...' becomes 'quire bench complete -- WORDS...': that program knows its options.
  if (argc > 4 && quire::IsCompleteCommand(argc, argv) && std::string_view(argv[3]) == "bench")
    std::rotate(argv + 1, argv + 3, argv + 4);
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
  if (quire::IsCompleteCommand(argc, argv)) return quire::RunCompleteCommand(app, argc, argv);
  std::vector<char*> words(argv, argv + argc);
  std::string mount = "mount";
  if (IsMountWithoutSaying(app, argc, argv)) words.insert(words.begin() + 1, mount.data());
  return quire::ParseAndRun(app, run, static_cast<int>(words.size()), words.data());
}

}  // namespace

int main(int argc, char** argv) try {
  return Run(argc, argv);
} catch (const std::exception& error) {  // no memory, most likely
  std::fprintf(stderr, "quire: %s\n", error.what());
  return quire::kExitFailed;
}
