// SPDX-License-Identifier: Apache-2.0
// Which mounts a command that tells of mounts is about.
#pragma once

#include <string>
#include <vector>

#include "format/result.h"
#include "fs/mounts/mount_table.h"

namespace quire {

// Between two looks at a mount: a control file tells the same for a tenth of a second.
inline constexpr double kLeastWatchS = 0.2;

// The mount of a pack that `directory` is, or lies in.
Result<MountEntry> FindPackMount(const std::string& directory);

// Of a mount that is seen in several places one, and none that is hidden by another one.
Result<std::vector<MountEntry>> FindAllPackMounts();

}  // namespace quire
