#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include "format/file.h"
#include "fs/daemon_presence.h"
#include "fs/mount_table.h"
#include "fs/mount_users.h"
#include "fs/unmount.h"
#include "tools/command.h"

namespace quire {
namespace {

// A daemon has nothing to write back: it ends when its last read from disk returns.
constexpr std::chrono::seconds kDaemonTimeout(30);

Result<MountEntry> FindPackMount(const std::string& mount_point) {
  auto mount = FindMount(mount_point);
  if (!mount) return Propagate(std::move(mount));
  if (!*mount) return MakeError(ErrorCode::kNotFound, "'{}' is not a mount point", mount_point);
  if ((*mount)->type != kMountType)
    return MakeError(ErrorCode::kNotFound, "'{}' is a mount of type {}, not of a pack", mount_point, (*mount)->type);
  return **std::move(mount);
}

// Who is in the way, and what helps.
std::unexpected<Error> ExplainBusy(const std::string& mount_point, dev_t device) {
  const std::string users = ListMountUsers(FindMountUsers(mount_point, device));
  return std::unexpected(Error{
      ErrorCode::kSystem, EBUSY,
      fmt::format("'{0}' is in use by {1}: wait for their end, or detach it for all who come later with "
                  "'quire umount --lazy {0}'",
                  mount_point, users.empty() ? "processes of other users, which 'fuser -vm' tells root" : users)});
}

Result<void> UnmountPack(const std::string& directory, bool is_lazy) {
  const auto mount_point = ResolveMountPoint(directory);
  if (!mount_point) return std::unexpected(mount_point.error());
  const auto mount = FindPackMount(*mount_point);
  if (!mount) return std::unexpected(mount.error());

  const File daemon = WatchDaemon(mount->device);
  const bool detaches = is_lazy || HasLostDaemon(*mount_point);
  if (auto gone = Unmount(*mount_point, detaches ? UnmountMode::kDetach : UnmountMode::kIfIdle); !gone)
    return gone.error().system_errno == EBUSY ? ExplainBusy(*mount_point, mount->device) : gone;
  if (is_lazy) return {};  // the daemon stays for as long as somebody has something open
  if (!WaitForDaemonEnd(daemon, kDaemonTimeout))
    return MakeError(
        ErrorCode::kSystem,
        "'{}' is unmounted, but its daemon goes on: a container or a service that was started meanwhile has "
        "a copy of the mount, or the disk does not answer",
        *mount_point);
  return {};
}

}  // namespace

void AddUmountCommand(CLI::App& app, Body& run) {
  auto directory = std::make_shared<std::string>();
  auto is_lazy = std::make_shared<bool>(false);
  CLI::App* const sub = app.add_subcommand("umount", "Unmount a pack; returns when its daemon has ended");
  sub->add_option("DIR", *directory, "Where the pack is mounted")->required();
  sub->add_flag("-l,--lazy", *is_lazy, "Detach it even if it is in use: its daemon ends when the last user lets go");
  sub->callback([&run, directory, is_lazy] {
    run = [directory, is_lazy] {
      const auto unmounted = UnmountPack(*directory, *is_lazy);
      return unmounted ? kExitOk : Fail("umount", unmounted.error());
    };
  });
}

}  // namespace quire
