// SPDX-License-Identifier: Apache-2.0
#include "tools/stats/pack_mounts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "fs/mounts/daemon_answer.h"

namespace quire {

Result<MountEntry> FindPackMount(const std::string& directory) {
  if (auto answers = CheckPathAnswers(directory); !answers) return Propagate(std::move(answers));
  const auto path = ResolveMountPoint(directory);
  if (!path) return std::unexpected(path.error());
  auto mount = FindMount(*path);
  if (!mount) return Propagate(std::move(mount));
  if (!*mount) *mount = FindMountAbove(*path);
  if (!*mount || (*mount)->type != kMountType)
    return MakeError(ErrorCode::kNotFound, "no pack is mounted at '{}'; 'quire mounts' lists where some are",
                     directory);
  return **std::move(mount);
}

Result<std::vector<MountEntry>> FindAllPackMounts() {
  auto mounts = ReadMounts();
  if (!mounts) return mounts;
  std::vector<MountEntry> found;
  for (auto mount = mounts->begin(); mount != mounts->end(); ++mount) {
    const bool is_hidden = std::any_of(std::next(mount), mounts->end(), [&](const MountEntry& later) {
      return LiesBelow(mount->mount_point, later.mount_point);
    });
    const bool is_copy =
        std::ranges::any_of(found, [&](const MountEntry& other) { return other.device == mount->device; });
    if (mount->type == kMountType && !is_hidden && !is_copy) found.push_back(*mount);
  }
  return found;
}

}  // namespace quire
