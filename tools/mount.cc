#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fs/daemon.h"
#include "fs/mount_options.h"
#include "fs/mount_table.h"
#include "fs/session.h"
#include "fs/unmount.h"
#include "tools/command.h"

namespace quire {
namespace {

struct MountArguments {
  std::string pack;
  std::string directory;
  std::vector<std::string> options;
  bool foreground = false;
};

// Everything resolved: a daemon works in another directory.
struct MountPlan {
  std::string pack_path;
  std::string mount_point;
  MountOptions options;
};

Result<MountPlan> MakePlan(const MountArguments& arguments) {
  auto options = ParseMountOptions(arguments.options);
  if (!options) return Propagate(std::move(options));
  const std::unique_ptr<char, decltype(&std::free)> pack_path(realpath(arguments.pack.c_str(), nullptr), &std::free);
  if (pack_path == nullptr) return SystemError(errno, "pack '{}'", arguments.pack);
  auto mount_point = ResolveMountPoint(arguments.directory);
  if (!mount_point)
    return std::unexpected(Error{mount_point.error().code, mount_point.error().system_errno,
                                 "mount point " + mount_point.error().message});
  return MountPlan{pack_path.get(), *std::move(mount_point), *options};
}

void LogToStderr(const MountOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("stderr"));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S quire[%P] %l: %v");
  spdlog::set_level(options.log_level);
}

void LogToSyslog(const MountOptions& options) {
  spdlog::set_default_logger(spdlog::syslog_logger_mt("syslog", "quire", LOG_PID, LOG_DAEMON));
  spdlog::set_level(options.log_level);
}

// That what is seen at the mount point is this mount, and that its daemon answers: statvfs is never answered from the
// kernel's memory.
Result<void> CheckAnswers(const MountPlan& plan) {
  struct statvfs unused = {};
  if (statvfs(plan.mount_point.c_str(), &unused) != 0)
    return SystemError(errno, "the mount at '{}' does not answer", plan.mount_point);
  struct stat root = {};
  if (stat(plan.mount_point.c_str(), &root) != 0) return SystemError(errno, "mount point '{}'", plan.mount_point);
  const auto mount = FindMount(plan.mount_point);
  if (!mount) return std::unexpected(mount.error());
  if (!*mount || (*mount)->type != kMountType || (*mount)->device != root.st_dev)
    return MakeError(ErrorCode::kSystem, "the mount at '{}' was taken away at once", plan.mount_point);
  return {};
}

int Serve(Session& session) {
  const auto served = session.Serve();
  if (!served) spdlog::error("{}", served.error().message);
  return served ? kExitOk : kExitFailed;
}

int MountInForeground(const MountPlan& plan) {
  const auto session = Session::Mount(plan.pack_path, plan.mount_point, plan.options);
  return session ? Serve(**session) : Fail("mount", session.error());
}

int MountInBackground(const MountPlan& plan) {
  std::unique_ptr<Session> session;
  const auto prepare = [&]() -> Result<void> {
    auto mounted = Session::Mount(plan.pack_path, plan.mount_point, plan.options);
    if (!mounted) return Propagate(std::move(mounted));
    session = *std::move(mounted);
    return {};
  };
  const auto serve = [&] {
    LogToSyslog(plan.options);
    const int exit_code = Serve(*session);
    session.reset();
    return exit_code;
  };
  if (const auto started = StartDaemon(prepare, serve); !started) return Fail("mount", started.error());
  if (const auto answers = CheckAnswers(plan); !answers) {
    if (const auto detached = Unmount(plan.mount_point, UnmountMode::kDetach); !detached)
      spdlog::warn("{}", detached.error().message);
    return Fail("mount", answers.error());
  }
  return kExitOk;
}

int RunMount(const MountArguments& arguments) {
  const auto plan = MakePlan(arguments);
  if (!plan) return Fail("mount", plan.error());
  LogToStderr(plan->options);
  return arguments.foreground ? MountInForeground(*plan) : MountInBackground(*plan);
}

}  // namespace

void AddMountCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<MountArguments>();
  CLI::App* const sub = app.add_subcommand("mount", "Mount a pack, read-only; returns when the mount answers");
  sub->add_option("PACK", arguments->pack, "The pack to mount")->required();
  sub->add_option("DIR", arguments->directory, "The directory to mount it at")->required();
  sub->add_flag("-f,--foreground", arguments->foreground, "Stay in the foreground and log to stderr");
  sub->add_option(
         "-o,--options", arguments->options,
         "Mount options, separated by commas: allow_other, allow_root, default_permissions, threads=N, "
         "log_level=debug|info|warning|error|off; of the cache: cache_size=SIZE (512M, 4G), "
         "huge=auto|hugetlb|thp|off, policy=auto|lru|fifo|pin, admit=auto|page|extent, "
         "io=auto|uring|threads, readahead=on|off; of the kernel: push=auto|on|off, direct_io, read_ahead_kb=N, "
         "readdirplus=on|off, transport=auto|dev|uring")
      ->type_name("OPTION,...")
      ->allow_extra_args(false);
  sub->callback([&run, arguments] { run = [arguments] { return RunMount(*arguments); }; });
}

}  // namespace quire
