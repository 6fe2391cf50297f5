// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <ranges>
#include <string>
#include <vector>

#include "fs/mounts/daemon_answer.h"
#include "fs/mounts/daemon_presence.h"
#include "fs/mounts/mount_copies.h"
#include "fs/mounts/mount_table.h"
#include "fs/mounts/mount_users.h"
#include "fs/mounts/unmount.h"
#include "tools/command.h"

namespace quire {
namespace {

// A daemon has nothing to write back: it ends when its last read from disk returns.
constexpr std::chrono::seconds kDaemonTimeout(30);
// Then it is looked, and then each second, whether it will not end for now. Most have ended by then.
constexpr std::chrono::milliseconds kFirstLook(200);
constexpr std::chrono::milliseconds kFurtherLooks(1000);
// What stops it for less lets it end: a debugger that looks at it, a snapshot that freezes its control group.
constexpr std::chrono::seconds kStandstill(3);
// Programs that are started meanwhile have a copy of the mount for a moment, where they are put into a mount namespace.
constexpr std::chrono::seconds kForeignCopies(5);

struct Arguments {
  std::vector<std::string> directories;
  bool all = false;
  bool lazy = false;
};

// `path` is no mount point: names the mount that it lies in, if that is one of a pack.
std::unexpected<Error> ExplainNoMountPoint(const std::string& path) {
  const auto above = FindMountAbove(path);
  if (above && above->type == kMountType)
    return MakeError(ErrorCode::kNotFound, "'{0}' lies in the mount at '{1}'; 'quire umount {1}' takes all of it away",
                     path, above->mount_point);
  return MakeError(ErrorCode::kNotFound, "'{}' is not a mount point", path);
}

Result<MountEntry> FindPackMount(const std::string& directory) {
  if (auto answers = CheckPathAnswers(directory); !answers) return Propagate(std::move(answers));
  auto mount_point = ResolveMountPoint(directory);
  // What lies in a mount whose daemon is gone cannot be looked at.
  if (!mount_point && mount_point.error().system_errno == ENOTCONN)
    return ExplainNoMountPoint(std::filesystem::absolute(directory).lexically_normal());
  if (!mount_point) return Propagate(std::move(mount_point));
  auto mount = FindMount(*mount_point);
  if (!mount) return Propagate(std::move(mount));
  if (!*mount) return ExplainNoMountPoint(*mount_point);
  if ((*mount)->type != kMountType)
    return MakeError(ErrorCode::kNotFound, "'{}' is a mount of type {}, not of a pack", *mount_point, (*mount)->type);
  return **std::move(mount);
}

// Who is in the way, and what helps.
std::unexpected<Error> ExplainBusy(const MountEntry& mount) {
  const std::string users = ListMountUsers(FindMountUsers(mount.mount_point, mount.device));
  return std::unexpected(
      Error{ErrorCode::kSystem, EBUSY,
            fmt::format("'{0}' is in use by {1}: wait for their end, or detach it for all who come later with "
                        "'quire umount --lazy {0}'",
                        mount.mount_point,
                        users.empty() ? "processes of other users, which 'fuser -vm' tells root" : users)});
}

// Waits for the end of the daemon of a mount that is gone from `mount_point`; an error where it goes on, with the
// cause.
Result<void> WaitForDaemon(const PresenceWatch& daemon, const MountEntry& mount) {
  const auto begin = std::chrono::steady_clock::now();
  auto ran_last = begin;  // or nobody has looked yet
  for (auto wait = kFirstLook; !WaitForEnd(daemon, wait); wait = kFurtherLooks) {
    const auto now = std::chrono::steady_clock::now();
    const auto waited = now - begin;
    const std::string standstill = DescribeStandstill(daemon.pid);
    if (standstill.empty()) ran_last = now;
    std::string cause = DescribeMountCopy(mount);
    if (cause.empty() && now - ran_last >= kStandstill) cause = standstill;
    if (cause.empty() && waited >= kForeignCopies) cause = DescribeForeignMountCopy(mount);
    if (cause.empty() && waited >= kDaemonTimeout) cause = "the disk of the pack does not answer";
    if (!cause.empty())
      return MakeError(ErrorCode::kSystem, "'{}' is unmounted, but its daemon goes on: {}", mount.mount_point, cause);
  }
  return {};
}

// A pack that was mounted there before, and that the one that is gone hid.
Result<void> CheckNothingBelow(const std::string& mount_point) {
  const auto below = FindMount(mount_point);
  if (!below || !*below || (*below)->type != kMountType) return {};
  return MakeError(ErrorCode::kSystem,
                   "'{0}' is still mounted at '{1}': the pack that was unmounted lay on it; run "
                   "'quire umount {1}' again",
                   (*below)->source, mount_point);
}

Result<void> UnmountPack(const MountEntry& mount, bool is_lazy) {
  const PresenceWatch daemon = WatchDaemon(mount);
  const bool detaches = is_lazy || HasLostDaemon(mount);
  if (auto gone = Unmount(mount.mount_point, detaches ? UnmountMode::kDetach : UnmountMode::kIfIdle); !gone)
    return gone.error().system_errno == EBUSY ? ExplainBusy(mount) : gone;
  // A daemon stays for as long as somebody has something open.
  if (!is_lazy)
    if (auto ended = WaitForDaemon(daemon, mount); !ended) return ended;
  return CheckNothingBelow(mount.mount_point);
}

// All mounts of packs that this user may take away, the latest first: it may lie on an earlier one.
std::vector<MountEntry> FindOwnMounts() {
  std::vector<MountEntry> own;
  for (MountEntry& mount : ListMounts() | std::views::reverse)
    if (mount.type == kMountType && (geteuid() == 0 || mount.user == getuid())) own.push_back(std::move(mount));
  return own;
}

int RunUmount(const Arguments& arguments) {
  if (arguments.all != arguments.directories.empty())
    return Fail("umount", Invalid("name a mount point, or all by '--all'").error());
  int exit_code = kExitOk;
  const auto unmount = [&](const Result<MountEntry>& mount) {
    const auto gone = mount ? UnmountPack(*mount, arguments.lazy) : std::unexpected(mount.error());
    if (!gone) exit_code = Fail("umount", gone.error());
  };
  for (const std::string& directory : arguments.directories) unmount(FindPackMount(directory));
  if (arguments.all)
    for (const MountEntry& mount : FindOwnMounts()) unmount(mount);
  return exit_code;
}

}  // namespace

void AddUmountCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command sub = program.AddSubcommand("umount", "Unmount packs; returns when their daemons have ended");
  sub.Add("DIR", arguments->directories, "Where a pack is mounted");
  sub.AddFlag("-a,--all", arguments->all, "All packs that this user has mounted; of root, all that are mounted");
  sub.AddFlag("-l,--lazy", arguments->lazy,
              "Detach it even if it is in use: its daemon ends when the last user lets go");
  sub.SetBody(run, [arguments] { return RunUmount(*arguments); });
}

}  // namespace quire
