// SPDX-License-Identifier: Apache-2.0
// Takes a mount away, as root or through fusermount3.
#pragma once

#include <string>

#include "format/result.h"

namespace quire {

enum class UnmountMode {
  kIfIdle,  // refused while anything is open in it
  kDetach,  // gone from the tree at once, in truth when the last user lets go
};

// kSystem with EBUSY where it is in use. REQUIRES: `mount_point` is from ResolveMountPoint and a mount point.
Result<void> Unmount(const std::string& mount_point, UnmountMode mode);

// The path of fusermount3, which mounts for those who may not; "" when it is not installed.
std::string FindFusermount();

}  // namespace quire
