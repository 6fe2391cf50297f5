// Mounts a pack, for `quire mount` and for mount(8)'s helper.
#pragma once

#include <string>

#include "format/result.h"
#include "fs/mount_options.h"

namespace quire {

// Everything resolved: a daemon works in another directory.
struct MountPlan {
  std::string pack_path;
  std::string mount_point;
  MountOptions options;
};

Result<MountPlan> MakeMountPlan(const std::string& pack, const std::string& directory, MountOptions options);

// Leaves a daemon that serves the mount, once it answers.
Result<void> MountInBackground(const MountPlan& plan);

// Serves the mount until its end, and tells the service manager, if there is one, when it answers and when it ends.
Result<void> MountInForeground(const MountPlan& plan);

}  // namespace quire
