// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/data_size.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "format/file.h"
#include "tools/bench/sample_store.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

std::string GroupsOf(const std::string& root, const std::string& process) {
  std::ifstream file(fmt::format("{}/proc/{}/cgroup", root, process));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
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

Result<DataSize> MeasureDataSize(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return SystemError(errno, "{}", path);
  if (!S_ISDIR(status.st_mode)) return DataSize{.files = 1, .bytes = static_cast<uint64_t>(status.st_size)};
  const auto paths = ListSamplePaths(path);
  if (!paths) return std::unexpected(paths.error());
  const auto sizes = ListFileSizes(path, *paths);
  if (!sizes) return std::unexpected(sizes.error());
  DataSize data{.files = paths->size()};
  for (const uint64_t bytes : *sizes) data.bytes += bytes;
  return data;
}

Result<MemoryLimit> FindHoldingMemory(const StorageWatch& watch, const std::string& root) {
  auto own = FindCacheLimit(root);
  if (!own || !watch.behind_daemon()) return own;
  const std::string groups = GroupsOf(root, "self");
  const bool is_within = !watch.daemons().empty() && std::ranges::all_of(watch.daemons(), [&](pid_t daemon) {
    return GroupsOf(root, std::to_string(daemon)) == groups;
  });
  if (is_within) return own;
  return FindMachineMemory(root);
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
