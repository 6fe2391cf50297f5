// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/mount_copies.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

namespace quire {
namespace {

namespace stdfs = std::filesystem;

std::optional<std::string> FindIn(const std::vector<MountEntry>& mounts, const MountEntry& copied) {
  for (const MountEntry& mount : mounts)
    if (mount.device == copied.device && mount.source == copied.source) return mount.mount_point;
  return std::nullopt;
}

std::string NamespaceOf(const stdfs::path& process) {
  std::error_code error;
  return stdfs::read_symlink(process / "ns/mnt", error).native();
}

}  // namespace

std::string DescribeMountCopy(const MountEntry& mount) {
  const auto here = FindIn(ListMounts(), mount);
  return here ? fmt::format("a copy of it is mounted at '{}'", *here) : "";
}

std::string DescribeForeignMountCopy(const MountEntry& mount) {
  std::set<std::string> seen = {NamespaceOf("/proc/self"), ""};  // "": what this user may not look into
  std::error_code error;
  for (stdfs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string number = entry->path().filename();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!seen.insert(NamespaceOf(entry->path())).second) continue;
    std::ifstream file(entry->path() / "mountinfo");
    const auto there = FindIn(ParseMountInfo(std::string(std::istreambuf_iterator<char>(file), {})), mount);
    if (!there) continue;
    std::string name;
    std::getline(std::ifstream(entry->path() / "comm"), name);
    return fmt::format("process {} ({}) has a copy of it at '{}', in a mount namespace of its own", number, name,
                       *there);
  }
  return "";
}

}  // namespace quire
