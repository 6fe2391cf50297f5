// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_helper.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "cache/remote/remote_object.h"
#include "format/escaping.h"
#include "format/file.h"
#include "format/pack/pack.h"
#include "fs/options/mount_options.h"
#include "tools/archive_names.h"
#include "tools/interrupt.h"
#include "tools/mount_log.h"
#include "tools/mounting.h"
#include "tools/pack_source.h"
#include "tools/parser.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

// EXIT STATUS of mount(8).
constexpr int kMountOk = 0;
constexpr int kMountUsage = 1;   // incorrect invocation or permissions
constexpr int kMountSystem = 2;  // out of memory, cannot fork
constexpr int kMountFailed = 32;

struct Arguments {
  std::string pack;
  std::string directory;
  std::vector<std::string> options;
  std::string mount_namespace;
  std::string type;
  bool sloppy = false;
  bool fake = false;
  bool no_mtab = false;
  bool verbose = false;
};

int ExitCodeOf(const Error& error) {
  if (error.code == ErrorCode::kInvalid) return kMountUsage;
  switch (error.system_errno) {
    case EPERM:
    case EACCES:
      return kMountUsage;
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
      return kMountSystem;
    default:
      return kMountFailed;
  }
}

// Of `mount -N`, which leaves it to helpers to go there: a process, or the path of its namespace.
Result<void> EnterNamespace(const std::string& name) {
  const bool is_process = name.find_first_not_of("0123456789") == std::string::npos;
  const auto file = File::Open(is_process ? fmt::format("/proc/{}/ns/mnt", name) : name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  if (setns(file->fd(), CLONE_NEWNS) != 0) return SystemError(errno, "namespace '{}'", name);
  return {};
}

// Whether there is anything of that name or pattern, be it something that cannot be mounted.
bool IsThere(const std::string& source) {
  if (IsUrl(source)) return true;
  if (!IsArchivePattern(source)) return access(source.c_str(), F_OK) == 0 || errno != ENOENT;
  const auto archives = ExpandArchives(source);
  return archives ? std::ranges::any_of(*archives, IsThere) : archives.error().code != ErrorCode::kNotFound;
}

Result<void> Mount(const Arguments& arguments) {
  if (!arguments.mount_namespace.empty()) {
    if (auto entered = EnterNamespace(arguments.mount_namespace); !entered) return entered;
  }
  auto options = ParseMountOptions(arguments.options, {.ignore_unknown = arguments.sloppy, .ignore_rw = true});
  if (!options) return Propagate(std::move(options));
  LogToStderr(options->log_level);
  // mount(8) itself says nothing of a device that is not there; what its helpers say it passes on.
  if (options->nofail && !IsThere(arguments.pack)) return {};
  const auto plan = MakeMountPlan("mount.quire", arguments.pack, arguments.directory, *std::move(options));
  if (!plan) return std::unexpected(plan.error());
  if (arguments.fake) {
    SourceOptions source;
    source.generation = plan->options.generation;
    auto pack = OpenSource(plan->source, source, plan->command);
    return pack ? Result<void>() : Propagate(std::move(pack));
  }
  if (auto mounted = MountInBackground(*plan); !mounted) return mounted;
  if (arguments.verbose)
    fmt::print("mount.quire: {} mounted on {}.\n", EscapeName(plan->source), EscapeName(plan->mount_point));
  return {};
}

// mount(8) hands the word to its helpers as well where nobody said it, so it cannot be refused. It does not say it
// where somebody said 'ro'.
bool AsksForWriting(const std::vector<std::string>& lists) {
  for (const std::string_view list : lists)
    if (list == "rw" || list.starts_with("rw,")) return true;
  return false;
}

}  // namespace

bool IsMountHelper(std::string_view name) {
  name.remove_prefix(name.rfind('/') + 1);
  return name == "mount.quire" || name == "mount.fuse.quire";
}

int RunMountHelper(int argc, char** argv) {
  Arguments arguments;
  Program program("mount.quire", "Mounts a pack for mount(8). 'quire mount' is for people.",
                  "mount.quire " QUIRE_VERSION);
  Command root = program.root();
  root.Add("PACK", arguments.pack, "The pack to mount").Required();
  root.Add("DIR", arguments.directory, "The directory to mount it at").Required();
  root.Add("-o,--options", arguments.options, "Mount options: see 'quire mount --help'").OneWord();
  root.AddFlag("-s", arguments.sloppy, "Leave out options that are not known");
  root.AddFlag("-f", arguments.fake, "Check everything and mount nothing");
  root.AddFlag("-n", arguments.no_mtab, "Without effect: there is no /etc/mtab to write");
  root.AddFlag("-v", arguments.verbose, "Say what was done");
  root.Add("-N", arguments.mount_namespace, "Mount in this mount namespace");
  root.Add("-t", arguments.type, "Without effect: the type, as mount(8) says it");
  const auto parsed = program.Parse({argv + 1, argv + argc});
  if (!parsed) {
    PrintToStderr(fmt::format("mount.quire: {}\n", EscapeLine(parsed.error().message)));
    return kMountUsage;
  }
  if (!*parsed) return kMountOk;  // --help, --version
  ReportInterrupts("mount.quire");
  if (const auto mounted = Mount(arguments); !mounted) {
    PrintToStderr(fmt::format("mount.quire: {}\n", EscapeLine(mounted.error().message)));
    EndIfInterrupted();
    return ExitCodeOf(mounted.error());
  }
  if (AsksForWriting(arguments.options))
    PrintToStderr(fmt::format("mount.quire: {}: packs are read-only, so this is mounted read-only.\n",
                              EscapeName(arguments.pack)));
  return kMountOk;
}

}  // namespace quire
