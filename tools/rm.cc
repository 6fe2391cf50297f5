// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "format/growth/pack_growth.h"
#include "tools/command.h"
#include "tools/extract/entry_patterns.h"
#include "tools/growing.h"
#include "tools/interrupt.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::vector<std::string> paths;
  std::string tmp;
  bool quiet = false;
};

int RunRm(const Arguments& arguments) {
  const auto pack = GrowingPack::Open(arguments.pack);
  if (!pack) return Fail("rm", pack.error());
  std::vector<NodeNumber> numbers;
  for (const std::string& path : arguments.paths) {
    const auto found = FindEntries((*pack)->index(), path);
    if (!found) return Fail("rm", found.error());
    numbers.insert(numbers.end(), found->begin(), found->end());
  }
  const std::string beside = std::filesystem::path(arguments.pack).parent_path();
  const std::string folder = !arguments.tmp.empty() ? arguments.tmp : beside.empty() ? "." : beside;
  const auto summary = RemoveFromPack(**pack, std::move(numbers), folder, CatchInterrupts());
  if (!summary) return Fail("rm", summary.error());
  if (!arguments.quiet) PrintGrowth(*summary, arguments.pack);
  return kExitOk;
}

}  // namespace

void AddRmCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command rm = program.AddSubcommand("rm", "Make a generation of a pack that is without some entries");
  rm.Add("PACK", arguments->pack, "Pack that has them").Required();
  rm.Add("PATH", arguments->paths,
         "Entries to leave out, directories with all below them; '*', '?', '[...]' and '**' match as of "
         "quire-extract(1)")
      .Required();
  rm.Add("--tmp", arguments->tmp, "Where temporary files lie; default: beside PACK").Type("DIR");
  rm.AddFlag("-q,--quiet", arguments->quiet, "Print nothing but what went wrong");
  rm.SetBody(run, [arguments] { return RunRm(*arguments); });
}

}  // namespace quire
