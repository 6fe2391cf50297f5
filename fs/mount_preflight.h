// Everything that can be known to be in the way of a mount, checked before libfuse tries and said in words that name
// the remedy.
#pragma once

#include <string>

#include "format/result.h"
#include "fs/mount_options.h"

namespace quire {

// A mount at `mount_point` that lost its daemon is detached on the way: it is in the way of everyone.
// REQUIRES: `mount_point` is from ResolveMountPoint.
Result<void> CheckMountable(const std::string& mount_point, const MountOptions& options);

}  // namespace quire
