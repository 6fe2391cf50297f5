// SPDX-License-Identifier: Apache-2.0
// Who keeps a mount busy, as fuser(1) finds it: for messages.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace quire {

struct MountUser {
  pid_t pid;
  std::string name;  // of the program, at most 15 characters
};

// The processes but this one that have a file of the mount open or mapped, or work in it, as far as this user may look
// into them. Nothing of the mount is touched. REQUIRES: `mount_point` is from ResolveMountPoint.
std::vector<MountUser> FindMountUsers(const std::string& mount_point, dev_t device);

// "python3 (process 12), bash (process 13) and 2 more"; "" for nobody.
std::string ListMountUsers(const std::vector<MountUser>& users);

}  // namespace quire
