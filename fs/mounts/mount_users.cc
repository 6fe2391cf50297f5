// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/mount_users.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "fs/mounts/mount_table.h"

namespace quire {
namespace {

namespace stdfs = std::filesystem;

constexpr size_t kMostListed = 3;

bool PointsBelow(const stdfs::path& link, const std::string& folder) {
  std::error_code error;
  const stdfs::path target = stdfs::read_symlink(link, error);
  return !error && LiesBelow(target.native(), folder);
}

bool HasOpen(const stdfs::path& process, const std::string& folder) {
  std::error_code error;
  for (stdfs::directory_iterator file(process / "fd", error), end; !error && file != end; file.increment(error))
    if (PointsBelow(file->path(), folder)) return true;
  return false;
}

// By the device, which the fourth word of each line of maps tells (proc(5)): a mapping outlives its descriptor.
bool HasMapped(const stdfs::path& process, dev_t device) {
  const std::string wanted = fmt::format(" {:02x}:{:02x} ", major(device), minor(device));
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);)
    if (line.contains(wanted)) return true;
  return false;
}

bool Uses(const stdfs::path& process, const std::string& mount_point, dev_t device) {
  constexpr std::array kPlaces = {"cwd", "root", "exe"};
  const auto is_there = [&](const char* place) { return PointsBelow(process / place, mount_point); };
  return std::ranges::any_of(kPlaces, is_there) || HasOpen(process, mount_point) || HasMapped(process, device);
}

}  // namespace

std::vector<MountUser> FindMountUsers(const std::string& mount_point, dev_t device) {
  assert(mount_point.starts_with('/'));
  std::vector<MountUser> users;
  std::error_code error;
  for (stdfs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string number = entry->path().filename();
    pid_t pid = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), pid).ptr != number.data() + number.size())
      continue;
    if (pid == getpid() || !Uses(entry->path(), mount_point, device)) continue;
    std::string name;
    std::getline(std::ifstream(entry->path() / "comm"), name);
    users.push_back({pid, name});
  }
  return users;
}

std::string ListMountUsers(const std::vector<MountUser>& users) {
  std::string list;
  const size_t listed = std::min(users.size(), kMostListed);
  for (size_t i = 0; i < listed; ++i) {
    const bool is_last = i + 1 == users.size();
    if (i > 0) list += is_last ? " and " : ", ";
    list += fmt::format("{} (process {})", users[i].name, users[i].pid);
  }
  if (users.size() > listed) list += fmt::format(" and {} more", users.size() - listed);
  return list;
}

}  // namespace quire
