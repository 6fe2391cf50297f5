// SPDX-License-Identifier: Apache-2.0
// Everything that can be known to be in the way of a mount, checked before libfuse tries and said in words that name
// the remedy.
#pragma once

#include <functional>
#include <string>

#include "format/result.h"
#include "fs/options/mount_options.h"

namespace quire {

// What somebody who mounts should know, though nothing is in the way: one sentence each.
using MountNotice = std::function<void(const std::string& sentence)>;

// A mount at `mount_point` that lost its daemon is detached on the way, with a notice: it is in the way of everyone. So
// is a notice due where the mount will hide what lies in its mount point.
// REQUIRES: `mount_point` is from ResolveMountPoint.
Result<void> CheckMountable(const std::string& mount_point, const MountOptions& options, const MountNotice& notice);

}  // namespace quire
