// SPDX-License-Identifier: Apache-2.0
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

// Former daemons of one device that may be there still, stopped, say, or behind a disk that does not answer.
constexpr int kMostDaemons = 8;

std::string NameOf(dev_t device, int former_daemons) {
  const std::string name = fmt::format("mount/{}:{}", major(device), minor(device));
  return former_daemons == 0 ? name : fmt::format("{}/{}", name, former_daemons);
}

}  // namespace

File AnnounceDaemon(dev_t device) {
  WaitForRelease(Watch(NameOf(device, 0)), kFormerDaemon);
  for (int former = 0; former < kMostDaemons; ++former)
    if (auto presence = Announce(NameOf(device, former))) return *std::move(presence);
  return {};
}

PresenceWatch WatchDaemon(const MountEntry& mount) {
  // The device is the mount's now: the daemon that announced itself last serves it, those before are of former mounts.
  for (int former = kMostDaemons; former-- > 0;) {
    PresenceWatch watch = Watch(NameOf(mount.device, former));
    const bool is_trusted = watch.user == 0 || watch.user == geteuid() || watch.user == mount.user;
    if (watch.is_open() && is_trusted) return watch;
  }
  return {};
}

}  // namespace quire
