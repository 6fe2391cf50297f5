// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/escaping.h"
#include "fs/help_text.h"
#include "tools/command.h"
#include "tools/complete.h"
#include "tools/mount_helper.h"
#include "tools/standard_streams.h"

namespace {

// fstab's type 'fuse' and habit: 'quire PACK DIR' is 'quire mount PACK DIR'. What neither is there nor looks like the
// name of a file is a subcommand, most likely with a typing error.
bool IsMountWithoutSaying(quire::Command root, const std::vector<std::string>& words) {
  if (words.size() < 2 || words[0].starts_with('-') || root.FindSubcommand(words[0])) return false;
  return words[0].find_first_of("/.") != std::string::npos || access(words[0].c_str(), F_OK) == 0;
}

// Other ways to say it: 'help COMMAND', 'version', 'complete -- bench WORDS...', which the program of bench completes.
void Normalize(std::vector<std::string>& words) {
  if (!words.empty() && words[0] == "version") words[0] = "--version";
  if (!words.empty() && words[0] == quire::kHelpCommand) {
    std::erase(words, quire::kHelpCommand);
    words.emplace_back("--help");
  }
  if (words.size() > 3 && quire::IsCompleteCommand(words) && words[2] == "bench")
    std::rotate(words.begin(), words.begin() + 2, words.begin() + 3);
}

int Run(int argc, char** argv) {
  if (argc > 0 && quire::IsMountHelper(argv[0])) return quire::RunMountHelper(argc, argv);
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  Normalize(words);
  if (!words.empty() && words[0] == "bench") return quire::RunBenchCommand(std::move(words));
  quire::Program program("quire", "Packs a directory of many small files into one file, and mounts it.");
  quire::Command root = program.root();
  quire::Body run;
  quire::AddPackCommand(root, run);
  quire::AddAppendCommand(root, run);
  quire::AddRmCommand(root, run);
  quire::AddGenerationsCommand(root, run);
  quire::AddCompactCommand(root, run);
  quire::AddIndexCommand(root, run);
  quire::AddMergeCommand(root, run);
  quire::AddMountCommand(root, run);
  quire::AddUmountCommand(root, run);
  quire::AddMountsCommand(root, run);
  quire::AddStatsCommand(root, run);
  quire::AddTopCommand(root, run);
  quire::AddMapCommand(root, run);
  quire::AddLsCommand(root, run);
  quire::AddCatCommand(root, run);
  quire::AddExtractCommand(root, run);
  quire::AddExportCommand(root, run);
  quire::AddDiffCommand(root, run);
  quire::AddInfoCommand(root, run);
  quire::AddVerifyCommand(root, run);
  quire::AddFetchCommand(root, run);
  quire::AddTierCommand(root, run);
  quire::AddTraceCommand(root, run);
  quire::AddSimCommand(root, run);
  quire::AddBenchCommand(root);
  root.SetFooter(quire::WrapText(
      "'quire PACK DIR' mounts as well. 'quire help COMMAND' and 'man quire' tell the rest. Exit status: "
      "0 done, 1 failed or not done completely, 2 wrong usage.",
      0, quire::kHelpColumns));  // last, since subcommands inherit it
  if (quire::IsCompleteCommand(words)) return quire::RunCompleteCommand(root, words);
  if (IsMountWithoutSaying(root, words)) words.insert(words.begin(), "mount");
  return quire::ParseAndRun(program, run, words);
}

}  // namespace

int main(int argc, char** argv) try {
  quire::OpenClosedStreams();
  // A file that may not be so long (ulimit -f, setrlimit(2)) is an error of the write, which names it: not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  return Run(argc, argv);
} catch (const std::bad_alloc&) {
  std::fprintf(stderr, "quire: there is not enough memory\n");
  return quire::kExitFailed;
} catch (const std::exception& error) {
  std::fprintf(stderr, "quire: %s\n", quire::EscapeLine(error.what()).c_str());
  return quire::kExitFailed;
}
