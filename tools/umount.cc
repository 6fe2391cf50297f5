#include <chrono>
#include <memory>
#include <string>

#include "format/file.h"
#include "fs/daemon_presence.h"
#include "fs/mount_table.h"
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

Result<void> UnmountPack(const std::string& directory) {
  const auto mount_point = ResolveMountPoint(directory);
  if (!mount_point) return std::unexpected(mount_point.error());
  const auto mount = FindPackMount(*mount_point);
  if (!mount) return std::unexpected(mount.error());

  const File daemon = WatchDaemon(mount->device);
  const UnmountMode mode = HasLostDaemon(*mount_point) ? UnmountMode::kDetach : UnmountMode::kIfIdle;
  if (auto gone = Unmount(*mount_point, mode); !gone) return gone;
  if (!WaitForDaemonEnd(daemon, kDaemonTimeout))
    return MakeError(ErrorCode::kSystem, "'{}' is unmounted, but its daemon still waits for the disk", *mount_point);
  return {};
}

}  // namespace

void AddUmountCommand(CLI::App& app, Body& run) {
  auto directory = std::make_shared<std::string>();
  CLI::App* const sub = app.add_subcommand("umount", "Unmount a pack; returns when its daemon has ended");
  sub->add_option("DIR", *directory, "Where the pack is mounted")->required();
  sub->callback([&run, directory] {
    run = [directory] {
      const auto unmounted = UnmountPack(*directory);
      return unmounted ? kExitOk : Fail("umount", unmounted.error());
    };
  });
}

}  // namespace quire
