#include "fs/mount_copies.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include "fs/mount_table.h"

namespace quire {
namespace {

namespace stdfs = std::filesystem;

std::optional<std::string> FindIn(const std::vector<MountEntry>& mounts, dev_t device) {
  for (const MountEntry& mount : mounts)
    if (mount.device == device) return mount.mount_point;
  return std::nullopt;
}

std::string NamespaceOf(const stdfs::path& process) {
  std::error_code error;
  return stdfs::read_symlink(process / "ns/mnt", error).native();
}

}  // namespace

std::string DescribeMountCopy(dev_t device) {
  const auto here = FindIn(ListMounts(), device);
  return here ? fmt::format("a copy of it is mounted at '{}'", *here) : "";
}

std::string DescribeForeignMountCopy(dev_t device) {
  std::set<std::string> seen = {NamespaceOf("/proc/self"), ""};  // "": what this user may not look into
  std::error_code error;
  for (stdfs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string number = entry->path().filename();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!seen.insert(NamespaceOf(entry->path())).second) continue;
    std::ifstream file(entry->path() / "mountinfo");
    const auto there = FindIn(ParseMountInfo(std::string(std::istreambuf_iterator<char>(file), {})), device);
    if (!there) continue;
    std::string name;
    std::getline(std::ifstream(entry->path() / "comm"), name);
    return fmt::format("process {} ({}) has a copy of it at '{}', in a mount namespace of its own", number, name,
                       *there);
  }
  return "";
}

}  // namespace quire
