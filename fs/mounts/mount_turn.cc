// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/mount_turn.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <thread>

#include "format/checksum.h"
#include "fs/mounts/mount_table.h"
#include "fs/mounts/presence.h"

namespace quire {
namespace {

using Clock = std::chrono::steady_clock;

// A turn takes some 20 ms, and a second where the machine is overloaded; ten may wait for each other.
constexpr std::chrono::seconds kPatience(20);
// A name is bound a moment before it can be connected to. Who binds it and never listens is none of ours.
constexpr std::chrono::milliseconds kLookAgain(2);
constexpr int kMostHidden = 100;

// Paths are longer than names may be. It is the path that mounts are listed by, so it is the path that they contend
// for.
std::string NameOf(const std::string& mount_point) {
  return fmt::format("mounting/{:016x}", Xxh3(std::as_bytes(std::span(mount_point))));
}

// Whom the folder belongs to: who is not root mounts on folders of their own only. What is mounted there already is not
// asked, since it may not answer.
uid_t OwnerOf(const std::string& mount_point) {
  const auto mounted = FindMount(mount_point);
  struct stat status = {};
  if (!mounted || *mounted || lstat(mount_point.c_str(), &status) != 0) return 0;
  return status.st_uid;
}

}  // namespace

Result<File> WaitForMountTurn(const std::string& mount_point) {
  assert(mount_point.starts_with('/'));
  const std::string name = NameOf(mount_point);
  const auto until = Clock::now() + kPatience;
  for (int hidden = 0; hidden < kMostHidden;) {
    auto turn = Announce(name);
    if (turn) return turn;
    if (turn.error().system_errno != EADDRINUSE) break;
    const PresenceWatch other = Watch(name);
    if (!other.is_open()) {
      ++hidden;
      std::this_thread::sleep_for(kLookAgain);
      continue;
    }
    hidden = 0;
    if (other.user != 0 && other.user != geteuid() && other.user != OwnerOf(mount_point)) break;
    if (!WaitForRelease(other, std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now())))
      return MakeError(
          ErrorCode::kSystem,
          "mount point '{}': process {} has been mounting there for {} seconds and does not come to an end",
          mount_point, other.pid, kPatience.count());
  }
  return File();
}

}  // namespace quire
