// SPDX-License-Identifier: Apache-2.0
#include "tools/mounting.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "cache/remote/remote_object.h"
#include "cache/tier/tier.h"
#include "format/file.h"
#include "fs/guard/confinement.h"
#include "fs/life/daemon.h"
#include "fs/life/session.h"
#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/mount_table.h"
#include "fs/mounts/unmount.h"
#include "tools/archive_names.h"
#include "tools/interrupt.h"
#include "tools/mount_log.h"
#include "tools/mount_verification.h"
#include "tools/pack_source.h"
#include "tools/progress.h"
#include "tools/service_notify.h"
#include "tools/standard_streams.h"

namespace quire {
namespace {

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

// `mount -o loop` makes a loop device of a file, which has lost what lies behind the file's last whole sector, and
// hands that to its helpers. A pack needs no device: this is the file behind it, or `path` where it is something else.
std::string FileBehindLoopDevice(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0 || !S_ISBLK(status.st_mode)) return path;
  const std::string loop = fmt::format("/sys/dev/block/{}:{}/loop/", major(status.st_rdev), minor(status.st_rdev));
  std::string offset;
  std::string file;
  std::getline(std::ifstream(loop + "offset"), offset);
  std::getline(std::ifstream(loop + "backing_file"), file);
  return offset == "0" && !file.empty() ? file : path;
}

// The pack, or the pattern of archives, as a daemon finds it that works elsewhere.
Result<std::string> ResolveSource(const std::string& source) {
  if (IsUrl(source)) return source;
  if (IsArchivePattern(source)) return std::filesystem::absolute(source).lexically_normal().native();
  const std::unique_ptr<char, decltype(&std::free)> path(realpath(source.c_str(), nullptr), &std::free);
  if (path == nullptr) return SystemError(errno, "pack '{}'", source);
  return FileBehindLoopDevice(path.get());
}

MountNotice NoticesOf(const MountPlan& plan) {
  return [&plan](const std::string& sentence) {
    PrintToStderr(fmt::format("{}: {}\n", plan.command, EscapeName(sentence)));
  };
}

// By a thread that may do no more than read a pack from a server, and so may those that it leaves behind, which do.
Result<std::unique_ptr<Pack>> OpenConfined(const MountPlan& plan, const SourceOptions& source) {
  try {
    return std::async(std::launch::async,
                      [&] {
                        ConfineThread({.remote = source.remote,
                                       .key_folders = FindKeyFolders(plan.source, source.remote),
                                       .tier = source.tier});
                        return OpenSource(plan.source, source, plan.command);
                      })
        .get();
  } catch (const std::system_error& error) {
    return SystemError(error.code().value(), "cannot start a thread");
  }
}

// The pack that is mounted: the source, or the index of archives, which may read them. Blocks in I/O.
Result<std::unique_ptr<Pack>> OpenPack(const MountPlan& plan) {
  const MountOptions& options = plan.options;
  SourceOptions source;
  source.volumes = options.volumes;
  source.beside = options.index == kIndexBeside;
  if (!source.beside && !options.index.empty()) source.index = std::filesystem::absolute(options.index);
  source.generation = options.generation;
  source.remote = options.remote;
  source.tier = options.cache.tier;
  // Confined threads make nothing beside it.
  if (!source.tier.directory.empty())
    if (auto made = Tier::MakeDirectory(source.tier.directory); !made) return Propagate(std::move(made));
  auto pack = IsUrl(plan.source) ? OpenConfined(plan, source) : OpenSource(plan.source, source, plan.command);
  if (pack && options.verify)
    if (auto verified = VerifyBeforeMount(**pack, NoticesOf(plan)); !verified) return Propagate(std::move(verified));
  return pack;
}

// The log's path for a process that works in another folder. One in the mount would make the daemon ask itself.
Result<std::string> ResolveLogFile(const std::string& path, const std::string& mount_point) {
  std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  if (LiesBelow(absolute.native(), mount_point))
    return Invalid("option 'log_file={}': this lies in the mount at '{}'; name a file outside of it", path,
                   mount_point);
  std::error_code error;
  const auto folder = std::filesystem::canonical(absolute.parent_path(), error);
  if (error) return absolute;  // opening it will tell
  if (LiesBelow(folder.native(), mount_point))
    return Invalid("option 'log_file={}': '{}' lies in the mount at '{}'; name a file outside of it", path,
                   absolute.parent_path().native(), mount_point);
  return folder / absolute.filename();
}

Result<void> Serve(Session& session, SessionEvents events) {
  auto served = session.Serve(std::move(events));
  if (!served) spdlog::error("{}", served.error().message);
  return served;
}

bool IsGone(const Error& error) { return error.system_errno == ENOTCONN || error.system_errno == ECONNABORTED; }

// What a daemon has to say is never said to nobody. The file is opened before the mount, in which it may not lie.
// Its path; empty where there is none.
Result<std::string> OpenDaemonLog(const MountOptions& options) {
  if (!options.log_file.empty()) {
    if (auto opened = OpenLogFile(options.log_file); !opened) return Propagate(std::move(opened));
    return options.log_file;
  }
  if (options.log_level == spdlog::level::off || HasSyslog()) return "";
  return OpenUsualLogFile();
}

bool ReopenLog() {
  ReopenLogFile();
  return true;
}

}  // namespace

Result<MountPlan> MakeMountPlan(std::string command, const std::string& pack, const std::string& directory,
                                MountOptions options) {
  for (const std::string& path : {pack, directory}) {
    if (IsUrl(path)) continue;
    if (auto answers = CheckPathAnswers(path); !answers) return Propagate(std::move(answers));
  }
  auto source = ResolveSource(pack);
  if (!source) return Propagate(std::move(source));
  auto mount_point = ResolveMountPoint(directory);
  if (!mount_point)
    return std::unexpected(Error{mount_point.error().code, mount_point.error().system_errno,
                                 "mount point " + mount_point.error().message});
  if (!options.log_file.empty()) {
    auto log_file = ResolveLogFile(options.log_file, *mount_point);
    if (!log_file) return Propagate(std::move(log_file));
    options.log_file = *std::move(log_file);
  }
  return MountPlan{.command = std::move(command),
                   .source = *std::move(source),
                   .mount_point = *std::move(mount_point),
                   .options = std::move(options)};
}

Result<void> MountInBackground(const MountPlan& plan) {
  MountOptions options = plan.options;
  std::unique_ptr<Session> session;
  // Until an automounter knows that the mount is made, whoever goes there by its path waits, but for the process that
  // the automounter started and what that one started: the daemon is none of them once it has left the terminal.
  const auto below = FindMount(plan.mount_point);
  const bool is_automounted = below && *below && (*below)->is_automount();
  const auto prepare = [&]() -> Result<void> {
    ForgetInterrupts();  // the process that waits for this one tells of them
    auto log_file = OpenDaemonLog(options);
    if (!log_file) return Propagate(std::move(log_file));
    options.log_file = *std::move(log_file);
    auto pack = OpenPack(plan);
    if (!pack) return Propagate(std::move(pack));
    auto mounted = Session::Mount(*std::move(pack), plan.source, plan.mount_point, options, NoticesOf(plan));
    if (!mounted) return Propagate(std::move(mounted));
    if (options.log_file.empty() && options.log_level != spdlog::level::off && !HasSyslog())
      NoticesOf(plan)("there is no syslog here, and no file to log to could be made: give the option log_file=PATH");
    options.log_file.empty() ? LogToSyslog(options.log_level) : LogToFile(options.log_level);
    session = *std::move(mounted);
    return {};
  };
  const auto serve = [&](const std::function<void()>& ready) -> Result<void> {
    SessionEvents events;
    // The process that waits asks for itself; but where the connection is gone already, what serving came to tells why.
    std::optional<Error> lost;
    if (is_automounted)
      ready();
    else
      events.greeted = [&](const Result<void>& answered) {
        if (!answered && IsGone(answered.error()))
          lost = answered.error();
        else
          ready();
      };
    events.hangup = ReopenLog;
    // syslog needs no opening anew, and no terminal takes a daemon away with it.
    if (options.log_file.empty()) events.hangup = [] { return true; };
    auto served = Serve(*session, std::move(events));
    session.reset();
    if (served && lost) return std::unexpected(*std::move(lost));
    return served;
  };
  // A signal here ends the daemon too: when an interrupted command has ended, nothing is mounted.
  const std::atomic<bool>& interrupted = *CatchInterrupts();
  const auto daemon = StartDaemon(prepare, serve, interrupted);
  if (!daemon) return std::unexpected(daemon.error());
  auto answers = CheckAnswers(plan);
  if (answers && interrupted) answers = MakeError(ErrorCode::kInterrupted, "interrupted");
  if (!answers) StopDaemon(*daemon);
  return answers;
}

Result<void> MountInForeground(const MountPlan& plan) {
  closefrom(STDERR_FILENO + 1);  // as in the background: nothing of the caller's is a daemon's
  const MountOptions& options = plan.options;
  const bool logs_to_file = !options.log_file.empty();
  if (logs_to_file)
    if (auto opened = OpenLogFile(options.log_file); !opened) return opened;
  auto pack = OpenPack(plan);
  if (!pack) return Propagate(std::move(pack));
  const auto session = Session::Mount(*std::move(pack), plan.source, plan.mount_point, plan.options, NoticesOf(plan));
  if (!session) return std::unexpected(session.error());
  SessionEvents events;
  events.greeted = [](const Result<void>& answered) {
    if (answered) return NotifyServiceManager("READY=1");
    spdlog::error("{}", answered.error().message);
  };
  if (logs_to_file) {
    LogToFile(options.log_level);
    events.hangup = ReopenLog;
  }
  auto served = Serve(**session, std::move(events));
  NotifyServiceManager("STOPPING=1");
  return served;
}

}  // namespace quire
