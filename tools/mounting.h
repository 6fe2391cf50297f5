// SPDX-License-Identifier: Apache-2.0
// Mounts a pack, for `quire mount` and for mount(8)'s helper.
#pragma once

#include <string>

#include "format/result.h"
#include "fs/options/mount_options.h"

namespace quire {

// Everything resolved: a daemon works in another directory.
struct MountPlan {
  std::string command;  // in front of notices on stderr
  std::string source;   // a pack, an archive or a pattern of archives; as it is listed among mounts
  std::string mount_point;
  MountOptions options;
};

Result<MountPlan> MakeMountPlan(std::string command, const std::string& pack, const std::string& directory,
                                MountOptions options);

// Leaves a daemon that serves the mount, once it answers. Its messages go to `log_file`; without one to syslog, and
// where there is none to a usual file (mount_log.h). A notice says so where that cannot be had either.
Result<void> MountInBackground(const MountPlan& plan);

// Serves the mount until its end, and tells the service manager, if there is one, when it answers and when it ends.
Result<void> MountInForeground(const MountPlan& plan);

}  // namespace quire
