// SPDX-License-Identifier: Apache-2.0
#include "tools/source_notice.h"

#include <fmt/format.h>
#include <mntent.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "fs/mounts/mount_table.h"
#include "tools/progress.h"

namespace quire {
namespace {

constexpr const char* kFstab = "/etc/fstab";

// What /etc/fstab mounts at `directory`, which is absolute and without symlinks; "" where that is nothing.
std::string FstabSource(const std::string& directory) {
  const std::unique_ptr<FILE, int (*)(FILE*)> fstab(setmntent(kFstab, "re"), endmntent);
  if (fstab == nullptr) return "";
  while (const mntent* entry = getmntent(fstab.get())) {
    if (*entry->mnt_dir != '/') continue;  // swap
    const auto mount_point = ResolveMountPoint(entry->mnt_dir);
    if (mount_point && *mount_point == directory) return entry->mnt_fsname;
  }
  return "";
}

}  // namespace

std::optional<std::string> NoticeAboutSource(const std::string& source) {
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::canonical(source, error);
  if (error) return std::nullopt;
  const std::string shown = EscapeName(source);
  const auto mount = FindMount(directory);
  if (const std::string device = FstabSource(directory); !device.empty() && mount && !*mount)
    return fmt::format("'{}' is a mount point of {}, for '{}', and nothing is mounted there", shown, kFstab,
                       EscapeName(device));
  if (std::filesystem::is_empty(directory, error) && !error)
    return fmt::format("'{}' is empty, and so is its pack", shown);
  return std::nullopt;
}

}  // namespace quire
