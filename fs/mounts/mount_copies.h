// SPDX-License-Identifier: Apache-2.0
// Where else a mount is: bind mounts, and the copies that containers and services get with a mount namespace of their
// own.
#pragma once

#include <string>

#include "fs/mounts/mount_table.h"

namespace quire {

// What `mount` is copied to, for messages; "" where no copy is seen. Nothing of the mount is touched. By its device and
// its pack: the kernel gives the device's number to another mount as soon as `mount` is gone. In this mount namespace:
// "a copy of it is mounted at '/srv/x'".
std::string DescribeMountCopy(const MountEntry& mount);
// In another: "process 12 (bash) has a copy of it at '/x', in a mount namespace of its own".
std::string DescribeForeignMountCopy(const MountEntry& mount);

}  // namespace quire
