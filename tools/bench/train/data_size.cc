// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/data_size.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "format/file.h"
#include "tools/bench/sample_store.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

std::string GroupsOf(const std::string& root, const std::string& process) {
  std::ifstream file(fmt::format("{}/proc/{}/cgroup", root, process));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Version 1 charges what threads of the kernel read to nobody (tests/bench/limits.py).
bool HasControlGroupsOfVersion2(const std::string& root) {
  return std::filesystem::exists(root + "/sys/fs/cgroup/cgroup.controllers");
}

Result<MemoryLimit> BesideControlGroups(const std::string& root, const char* what) {
  auto machine = FindMachineMemory(root);
  if (machine) machine->source += fmt::format(", since {} below has its memory in another control group", what);
  return machine;
}

}  // namespace

Result<std::vector<uint64_t>> ListFileSizes(const std::string& root, const std::vector<std::string>& paths) {
  auto directory = File::Open(root, O_RDONLY | O_DIRECTORY);
  if (!directory) return Propagate(std::move(directory));
  std::vector<uint64_t> sizes;
  sizes.reserve(paths.size());
  for (const std::string& path : paths) {
    struct stat status{};
    if (fstatat(directory->fd(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return SystemError(errno, "{}/{}", root, path);
    sizes.push_back(static_cast<uint64_t>(status.st_size));
  }
  return sizes;
}

Result<std::vector<uint64_t>> ListDataSizes(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return SystemError(errno, "{}", path);
  if (!S_ISDIR(status.st_mode)) return std::vector{static_cast<uint64_t>(status.st_size)};
  const auto paths = ListSamplePaths(path);
  if (!paths) return std::unexpected(paths.error());
  return ListFileSizes(path, *paths);
}

std::vector<uint64_t> CutSlices(std::span<const uint64_t> sizes, uint64_t least_bytes) {
  assert(!sizes.empty());
  std::vector<uint64_t> begins = {0};
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < sizes.size(); ++i) {
    bytes += sizes[i];
    if (bytes < least_bytes) continue;
    begins.push_back(i + 1);
    bytes = 0;
  }
  // What is left is too little for a part of its own.
  if (begins.size() == 1)
    begins.push_back(sizes.size());
  else
    begins.back() = sizes.size();
  return begins;
}

uint64_t HugePageBytesOf(pid_t process, const std::string& root) {
  std::ifstream smaps(fmt::format("{}/proc/{}/smaps", root, process));
  uint64_t bytes = 0;
  uint64_t kib = 0;  // of the mapping whose lines these are
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "Size:") words >> kib;
    if (name == "VmFlags:" && line.contains(" ht")) bytes += kib * 1024;
  }
  return bytes;
}

Result<MemoryLimit> FindHoldingMemory(const StorageWatch& watch, const std::string& root) {
  auto own = FindCacheLimit(root);
  if (!own) return own;
  if (watch.behind_cached_loop() && !HasControlGroupsOfVersion2(root))
    return BesideControlGroups(root, "a loop device");
  if (!watch.behind_daemon()) return own;
  const std::string groups = GroupsOf(root, "self");
  const bool is_within = !watch.daemons().empty() && std::ranges::all_of(watch.daemons(), [&](pid_t daemon) {
    return GroupsOf(root, std::to_string(daemon)) == groups;
  });
  if (!is_within) return BesideControlGroups(root, "the daemon");
  uint64_t huge_bytes = 0;
  for (const pid_t daemon : watch.daemons()) huge_bytes += HugePageBytesOf(daemon, root);
  own->bytes += huge_bytes;
  if (huge_bytes > 0) own->source += ", and huge pages of the daemon";
  return own;
}

Result<void> CheckDataSize(const std::string& path, const DataSize& data, const MemoryLimit& memory) {
  if (data.bytes / kTimesMemory >= memory.bytes) return {};
  return MakeError(
      ErrorCode::kUnreadable,
      "{}: its {} are less than {} times the {} of memory that may hold them ({}), so that memory would be measured "
      "and "
      "not the storage: take a larger data set, run this in a cgroup of at most {} of memory, or give --allow-cached "
      "for "
      "figures of what comes from memory too",
      path, FormatBytes(data.bytes), kTimesMemory, FormatBytes(memory.bytes), memory.source,
      FormatBytes(data.bytes / kTimesMemory));
}

}  // namespace quire::bench
