// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <memory>

#include "format/pack/pack.h"
#include "format/pack/path_resolver.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/ls_forms.h"
#include "tools/pack_entry.h"
#include "tools/pack_source.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  SourceOptions source;
  std::string path;
  TextForm text;
  bool recursive = false;
  bool tree = false;
  bool json = false;
  bool without_effect = false;
};

// A path in the pack as other commands and forms take it: without '/' at its ends.
std::string TrimSlashes(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

uint64_t List(const Listed& listed, const Arguments& arguments) {
  // As GNU ls: a terminal must not be steered by a name, and a program gets it as it is.
  const bool escapes = !arguments.text.ends_with_nul && isatty(STDOUT_FILENO) != 0;
  if (arguments.json) return ListAsJson(listed);
  if (arguments.tree) return ListAsTree(listed, escapes);
  TextForm form = arguments.text;
  form.escapes = escapes;
  return ListAsText(listed, form);
}

// As GNU ls: a symlink that leads nowhere, or out of the pack, is listed itself where its name is given.
Result<NodeNumber> ResolveListed(const Index& index, const Arguments& arguments) {
  const bool keeps_symlink = arguments.text.is_long || arguments.json;
  auto number = ResolvePath(index, arguments.path, keeps_symlink ? LastSymlink::kKeep : LastSymlink::kFollow);
  if (number || number.error().code == ErrorCode::kCorrupt) return number;
  const auto symlink = ResolvePath(index, arguments.path, LastSymlink::kKeep);
  return symlink ? symlink : number;
}

int RunLs(const Arguments& arguments) {
  HandleInterruptsInAThread();
  const auto pack = OpenSource(arguments.pack, arguments.source, "quire ls");
  if (!pack) return Fail("ls", pack.error());
  const Index& index = (*pack)->index();
  const auto number = ResolveListed(index, arguments);
  if (!number) return Fail("ls", number.error());
  const auto entry = ReadEntry(index, *number);
  if (!entry) return Fail("ls", entry.error());
  TellLeftOut(**pack, "quire ls", [](const std::string& line) { PrintToStderr(line + '\n'); });
  const Listed listed{.pack = **pack,
                      .entry = *entry,
                      .path = TrimSlashes(arguments.path),
                      .depth = arguments.recursive ? Depth::kAll : Depth::kOne};
  return List(listed, arguments) == 0 ? kExitOk : kExitFailed;
}

}  // namespace

void AddLsCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command ls = program.AddSubcommand("ls", "List what a pack holds, without mounting it");
  ls.SetHelpFlag("--help");  // -h is that of ls(1)
  ls.Add("PACK", arguments->pack, "Pack to read").Required();
  ls.Add("PATH", arguments->path, "Directory or entry in the pack; the root by default");
  const Option is_long =
      ls.AddFlag("-l", arguments->text.is_long, "Mode, links, owner, group, size, time and symlink targets");
  ls.AddFlag("-R,--recursive", arguments->recursive, "Directories below, too");
  ls.AddFlag("-h,--human-readable", arguments->text.human_sizes, "With -l: sizes such as 1.5M");
  const Option zero = ls.AddFlag("-0,--zero", arguments->text.ends_with_nul,
                                 "End names with a NUL byte, and give whole paths with -R: for 'xargs -0'");
  Option tree = ls.AddFlag("--tree", arguments->tree, "Draw all that is below as a tree");
  tree.Excludes(is_long).Excludes(zero);
  ls.AddFlag("--json", arguments->json, "For programs: quire-json(7)").Excludes(tree).Excludes(zero);
  ls.AddFlag("-a,-A,--all,-1", arguments->without_effect, "Without effect: all names are listed, and one a line");
  AddGenerationOption(ls, arguments->source);
  AddSourceOptions(ls, arguments->source);
  ls.SetBody(run, [arguments] { return RunLs(*arguments); });
}

}  // namespace quire
