// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <vector>

#include "fs/help_text.h"
#include "fs/options/mount_options.h"
#include "tools/command.h"
#include "tools/mount_log.h"
#include "tools/mounting.h"

namespace quire {
namespace {

struct Arguments {
  std::string pack;
  std::string directory;
  std::vector<std::string> options;
  bool foreground = false;
};

Result<void> Mount(const Arguments& arguments) {
  auto options = ParseMountOptions(arguments.options);
  if (!options) return Propagate(std::move(options));
  LogToStderr(options->log_level);
  const auto plan = MakeMountPlan("quire mount", arguments.pack, arguments.directory, *std::move(options));
  if (!plan) return std::unexpected(plan.error());
  return arguments.foreground ? MountInForeground(*plan) : MountInBackground(*plan);
}

}  // namespace

void AddMountCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command sub = program.AddSubcommand("mount", "Mount a pack, read-only; returns when the mount answers");
  sub.Add("PACK", arguments->pack, "The pack to mount").Required();
  sub.Add("DIR", arguments->directory, "The directory to mount it at").Required();
  sub.AddFlag("-f,--foreground", arguments->foreground, "Stay in the foreground and log to stderr");
  sub.Add("-o,--options", arguments->options, "Mount options, separated by commas: see below")
      .Type("OPTION,...")
      .OneWord();
  std::string table = FormatMountOptions(kHelpColumns);
  table.pop_back();  // help ends with a newline of its own
  sub.SetFooter("Mount options\n\n" + table);
  sub.SetBody(run, [arguments] {
    const auto mounted = Mount(*arguments);
    return mounted ? kExitOk : Fail("mount", mounted.error());
  });
}

}  // namespace quire
