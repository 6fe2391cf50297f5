#include "tools/mounting.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "fs/daemon.h"
#include "fs/mount_table.h"
#include "fs/session.h"
#include "fs/unmount.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/mount_log.h"
#include "tools/progress.h"
#include "tools/service_notify.h"

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

Result<void> Serve(Session& session, SessionEvents events) {
  auto served = session.Serve(std::move(events));
  if (!served) spdlog::error("{}", served.error().message);
  return served;
}

MountNotice NoticesOf(const MountPlan& plan) {
  return [&plan](const std::string& sentence) { fmt::print(stderr, "{}: {}\n", plan.command, EscapeName(sentence)); };
}

// What a daemon has to say is never said to nobody. Whether it is in a file.
Result<bool> ChooseDaemonLog(const MountOptions& options, const MountNotice& notice) {
  if (!options.log_file.empty()) {
    if (auto opened = LogToFile(options.log_file, options.log_level); !opened) return Propagate(std::move(opened));
    return true;
  }
  if (options.log_level == spdlog::level::off || HasSyslog()) {
    LogToSyslog(options.log_level);
    return false;
  }
  const std::string path = LogToUsualFile(options.log_level);
  if (path.empty())
    notice("there is no syslog here, and no file to log to could be made: give the option log_file=PATH");
  return !path.empty();
}

bool ReopenLog() {
  ReopenLogFile();
  return true;
}

}  // namespace

Result<MountPlan> MakeMountPlan(std::string command, const std::string& pack, const std::string& directory,
                                MountOptions options) {
  const std::unique_ptr<char, decltype(&std::free)> pack_path(realpath(pack.c_str(), nullptr), &std::free);
  if (pack_path == nullptr) return SystemError(errno, "pack '{}'", pack);
  auto mount_point = ResolveMountPoint(directory);
  if (!mount_point)
    return std::unexpected(Error{mount_point.error().code, mount_point.error().system_errno,
                                 "mount point " + mount_point.error().message});
  if (!options.log_file.empty()) options.log_file = std::filesystem::absolute(options.log_file);
  return MountPlan{std::move(command), FileBehindLoopDevice(pack_path.get()), *std::move(mount_point),
                   std::move(options)};
}

Result<void> MountInBackground(const MountPlan& plan) {
  const MountOptions& options = plan.options;
  std::unique_ptr<Session> session;
  bool logs_to_file = false;
  const auto prepare = [&]() -> Result<void> {
    ForgetInterrupts();  // the process that waits for this one tells of them
    auto mounted = Session::Mount(plan.pack_path, plan.mount_point, options, NoticesOf(plan));
    if (!mounted) return Propagate(std::move(mounted));
    const auto chosen = ChooseDaemonLog(options, NoticesOf(plan));
    if (!chosen) return std::unexpected(chosen.error());
    logs_to_file = *chosen;
    session = *std::move(mounted);
    return {};
  };
  const auto serve = [&] {
    SessionEvents events;
    events.hangup = ReopenLog;
    // syslog needs no opening anew, and no terminal takes a daemon away with it.
    if (!logs_to_file) events.hangup = [] { return true; };
    const auto served = Serve(*session, std::move(events));
    session.reset();
    return served ? kExitOk : kExitFailed;
  };
  if (auto started = StartDaemon(prepare, serve); !started) return started;
  if (auto answers = CheckAnswers(plan); !answers) {
    if (const auto detached = Unmount(plan.mount_point, UnmountMode::kDetach); !detached)
      spdlog::warn("{}", detached.error().message);
    return answers;
  }
  return {};
}

Result<void> MountInForeground(const MountPlan& plan) {
  const MountOptions& options = plan.options;
  const auto session = Session::Mount(plan.pack_path, plan.mount_point, options, NoticesOf(plan));
  if (!session) return std::unexpected(session.error());
  SessionEvents events;
  events.answers = [] { NotifyServiceManager("READY=1"); };
  if (!options.log_file.empty()) {
    if (auto opened = LogToFile(options.log_file, options.log_level); !opened) return opened;
    events.hangup = ReopenLog;
  }
  auto served = Serve(**session, std::move(events));
  NotifyServiceManager("STOPPING=1");
  return served;
}

}  // namespace quire
