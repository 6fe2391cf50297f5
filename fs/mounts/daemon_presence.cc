#include "fs/mounts/daemon_presence.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>

namespace quire {
namespace {

// The kernel gives a device's number away again while the daemon that had it tidies up, which takes milliseconds unless
// its disk does not answer.
constexpr std::chrono::seconds kFormerDaemon(1);

std::string NameOf(dev_t device) { return fmt::format("mount/{}:{}", major(device), minor(device)); }

}  // namespace

File AnnounceDaemon(dev_t device) {
  auto presence = Announce(NameOf(device));
  if (!presence && WaitForRelease(Watch(NameOf(device)), kFormerDaemon)) presence = Announce(NameOf(device));
  return presence ? *std::move(presence) : File();
}

PresenceWatch WatchDaemon(const MountEntry& mount) {
  PresenceWatch watch = Watch(NameOf(mount.device));
  const bool is_trusted = watch.user == 0 || watch.user == geteuid() || watch.user == mount.user;
  return is_trusted ? std::move(watch) : PresenceWatch();
}

}  // namespace quire
