// SPDX-License-Identifier: Apache-2.0
// What is mounted where, asked in ways that never touch what is mounted: a mount whose daemon is gone or hangs must be
// found too.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace quire {

// The type of a pack's mount in /proc/self/mountinfo.
inline constexpr std::string_view kMountType = "fuse.quire";

struct MountEntry {
  uint64_t id = 0;
  dev_t device = 0;
  std::string mount_point;
  std::string type;
  std::string source;
  std::optional<uid_t> user = {};  // who mounted it, of a FUSE mount
  std::optional<gid_t> group = {};

  // Whoever opens such a mount point waits until an automounter has mounted something there.
  [[nodiscard]] bool is_automount() const { return type == "autofs"; }
};

// The lines of `text`, in the form of /proc/self/mountinfo (proc(5)), in order; those of another form are left out.
std::vector<MountEntry> ParseMountInfo(std::string_view text);

// All mounts that this process sees, in order: later ones lie on top of earlier ones. ListMounts has none where they
// cannot be read.
Result<std::vector<MountEntry>> ReadMounts();
std::vector<MountEntry> ListMounts();

// The mount whose root is seen at `mount_point`, the latest where several lie on each other; empty when there is none.
// REQUIRES: `mount_point` is from ResolveMountPoint.
Result<std::optional<MountEntry>> FindMount(const std::string& mount_point);

// The mount that `path` lies below: of those whose mount point is above it the nearest, the latest where several are
// there. Nothing is asked of it. REQUIRES: `path` is absolute, without '.', '..' and symlinks.
std::optional<MountEntry> FindMountAbove(std::string_view path);

// Whether `path` is `folder` or lies in it, by their words alone. REQUIRES: both are as above.
bool LiesBelow(std::string_view path, std::string_view folder);

// `path` as the kernel lists it: absolute and without symlinks. What is mounted at its end is not asked.
// kNotFound when a folder on the way, or the end, is not there.
Result<std::string> ResolveMountPoint(const std::string& path);

}  // namespace quire
