// SPDX-License-Identifier: Apache-2.0
#include "fs/life/mount_preflight.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "format/file.h"
#include "fs/guard/privileges.h"
#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/daemon_presence.h"
#include "fs/mounts/mount_table.h"
#include "fs/mounts/unmount.h"

namespace quire {
namespace {

constexpr const char* kFuseDevice = "/dev/fuse";
constexpr const char* kFuseConf = "/etc/fuse.conf";

Result<void> CheckDevice() {
  if (File(open(kFuseDevice, O_RDWR | O_CLOEXEC)).is_open()) return {};
  const int error = errno;
  const char* const remedy = error == EACCES || error == EPERM
                                 ? "its mode should be 0666, and a container needs --device /dev/fuse"
                                 : "load the kernel module with 'modprobe fuse'; a container needs --device /dev/fuse";
  return MakeError(ErrorCode::kSystem, "{}: {}: {}", kFuseDevice, std::generic_category().message(error), remedy);
}

// fusermount3 reads the same line, and refuses on stderr only.
bool ConfAllowsOthers() {
  std::ifstream conf(kFuseConf);
  if (!conf && errno != ENOENT) return true;  // not ours to read: fusermount3 will know
  for (std::string line; std::getline(conf, line);) {
    const size_t begin = line.find_first_not_of(" \t");
    const size_t end = line.find_last_not_of(" \t\r");
    if (begin != std::string::npos && line.substr(begin, end + 1 - begin) == "user_allow_other") return true;
  }
  return false;
}

std::unexpected<Error> NotPermitted(std::string message) {
  return std::unexpected(Error{ErrorCode::kSystem, EPERM, std::move(message)});
}

// What fusermount3 asks of those who may not mount themselves.
Result<void> CheckUnprivileged(const std::string& mount_point, const struct stat& status, const MountOptions& options,
                               const MountNotice& notice) {
  if (FindFusermount().empty())
    return NotPermitted("only root may mount without fusermount3: install the package fuse3");
  if (geteuid() == 0)
    return NotPermitted("root without CAP_SYS_ADMIN may not mount: a container needs --cap-add SYS_ADMIN");
  if ((options.allow_other || options.allow_root) && !ConfAllowsOthers())
    return NotPermitted(
        fmt::format("allow_other and allow_root need the line 'user_allow_other' in {}, which root writes", kFuseConf));
  if (options.suid) return NotPermitted("option 'suid': only root may ask for it");
  if (options.read_ahead_kb) notice("option 'read_ahead_kb' has no effect: only root may set it");
  const bool is_sticky = (status.st_mode & S_ISVTX) != 0;
  if (access(mount_point.c_str(), W_OK) != 0 || (is_sticky && status.st_uid != getuid()))
    return NotPermitted(
        fmt::format("mount point '{}': you may mount only on a folder of your own that you may write to", mount_point));
  return {};
}

// ", and its daemon does not answer (...)", or nothing.
std::string ExplainSilence(const MountEntry& mount, DaemonState state) {
  const std::string cause =
      state == DaemonState::kSilent ? DescribeSilence(mount) : DescribeStandstill(WatchDaemon(mount).pid);
  return cause.empty() ? "" : fmt::format(", and its daemon does not answer ({})", cause);
}

// Frees `mount_point` from a mount that lost its daemon, and refuses a living one of ours: a second mount would hide
// the first, and nobody means that.
Result<void> CheckMountedThere(const std::string& mount_point, const MountNotice& notice) {
  auto mounted = FindMount(mount_point);
  if (!mounted) return Propagate(std::move(mounted));
  if (!*mounted || !(*mounted)->type.starts_with("fuse")) return {};
  const MountEntry& entry = **mounted;
  const DaemonState state = AskDaemon(entry);
  const bool is_dead = state == DaemonState::kLost;
  if (is_dead && entry.type == kMountType) {
    if (auto unmounted = Unmount(mount_point, UnmountMode::kDetach); !unmounted) return unmounted;
    notice(fmt::format("'{}': takes the place of a mount of '{}' whose daemon has died", mount_point, entry.source));
    return {};
  }
  if (is_dead)
    return MakeError(ErrorCode::kSystem,
                     "mount point '{}': a {} mount without a daemon is in the way; run 'fusermount3 -uz {}'",
                     mount_point, entry.type, mount_point);
  if (entry.type == kMountType)
    return MakeError(ErrorCode::kSystem, "'{}' is mounted at '{}' already{}: run 'quire umount {}' first", entry.source,
                     mount_point, ExplainSilence(entry, state), mount_point);
  return {};
}

// What cannot be listed is not asked: opening an automount point would wait for the mount that is being made.
bool HidesSomething(const std::string& mount_point) {
  const auto mounted = FindMount(mount_point);
  if (!mounted || (*mounted && (*mounted)->is_automount())) return false;
  std::error_code error;
  return !std::filesystem::is_empty(mount_point, error) && !error;
}

// A daemon looks up there what it needs while it serves: it would ask itself, and wait.
Result<void> CheckNotOverTheSystem(const std::string& mount_point) {
  for (const char* const folder : {"/proc", "/sys", "/dev"})
    if (LiesBelow(folder, mount_point))
      return Invalid("mount point '{}': the pack would hide {}, which its daemon needs", mount_point, folder);
  return {};
}

}  // namespace

Result<void> CheckMountable(const std::string& mount_point, const MountOptions& options, const MountNotice& notice) {
  assert(mount_point.starts_with('/'));
  if (auto apart = CheckNotOverTheSystem(mount_point); !apart) return apart;
  if (auto free = CheckMountedThere(mount_point, notice); !free) return free;
  struct stat status = {};
  if (stat(mount_point.c_str(), &status) != 0) return SystemError(errno, "mount point '{}'", mount_point);
  if (!S_ISDIR(status.st_mode)) return SystemError(ENOTDIR, "mount point '{}'", mount_point);
  if (auto device = CheckDevice(); !device) return device;
  if (!MayMount())
    if (auto permitted = CheckUnprivileged(mount_point, status, options, notice); !permitted) return permitted;
  if (HidesSomething(mount_point))
    notice(fmt::format("'{}' is not empty: what lies in it is hidden while the pack is mounted", mount_point));
  return {};
}

}  // namespace quire
