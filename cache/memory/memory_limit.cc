// SPDX-License-Identifier: Apache-2.0
#include "cache/memory/memory_limit.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "cache/memory/control_groups.h"

namespace quire {
namespace {

void Narrow(MemoryLimit& limit, uint64_t bytes, std::string source) {
  if (bytes < limit.bytes) limit = {bytes, std::move(source)};
}

void NarrowByResourceLimits(MemoryLimit& limit) {
  constexpr std::array<std::pair<__rlimit_resource, const char*>, 2> kLimits = {
      {{RLIMIT_AS, "RLIMIT_AS, ulimit -v"}, {RLIMIT_DATA, "RLIMIT_DATA, ulimit -d"}}};
  for (const auto& [resource, name] : kLimits) {
    rlimit soft = {};
    if (getrlimit(resource, &soft) == 0) Narrow(limit, soft.rlim_cur, name);  // RLIM_INFINITY is the largest number
  }
}

}  // namespace

Result<MemoryLimit> FindMachineMemory(const std::string& root) {
  SmallText file;
  const auto bytes = file.ReadPath(root + "/proc/meminfo") ? FindKibibytes(file.text(), "MemTotal:") : std::nullopt;
  if (!bytes) return SystemError(ENOENT, "/proc/meminfo has no MemTotal: is /proc mounted?");
  return MemoryLimit{*bytes, "this machine"};
}

Result<MemoryLimit> FindCacheLimit(const std::string& root) {
  auto limit = FindMachineMemory(root);
  if (!limit) return limit;
  SmallText file;
  for (const MemoryGroup& group : FindMemoryGroups(root)) {
    for (const char* const name : group.LimitFiles()) {
      // What v1 calls no limit is more than any machine has.
      if (!file.ReadPath(fmt::format("{}/{}", group.folder, name))) continue;
      if (const auto bytes = ParseNumberLine(file.text())) Narrow(*limit, *bytes, fmt::format("cgroup {}", group.name));
    }
  }
  return limit;
}

Result<MemoryLimit> FindMemoryLimit(const std::string& root) {
  auto limit = FindCacheLimit(root);
  if (limit) NarrowByResourceLimits(*limit);
  return limit;
}

}  // namespace quire
