// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/machine.h"

#include <fmt/chrono.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace quire::bench {
namespace {

// The text behind `key` in the first line of `path` that begins with it, without quotes and separators.
std::string ValueOf(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t begin = line.find_first_not_of(" \t:=\"", key.size());
    const size_t end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

// The smallest limit of this process's cgroup and those above it: version 2, then version 1; 0 for none.
uint64_t CgroupMemoryLimit() {
  std::ifstream groups("/proc/self/cgroup");
  uint64_t smallest = UINT64_MAX;
  for (std::string line; std::getline(groups, line);) {
    // cgroups(7): "0::/path" is version 2, "4:memory:/path" version 1.
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = line.starts_with("0::");
    if (!unified && controllers != "memory") continue;
    const std::filesystem::path root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const char* limit_file = unified ? "memory.max" : "memory.limit_in_bytes";
    std::filesystem::path group = root / line.substr(second + 2);
    for (size_t depth = 0; depth < 64; ++depth) {
      uint64_t limit = 0;
      if (std::ifstream file(group / limit_file); file >> limit && limit > 0) smallest = std::min(smallest, limit);
      if (group == root || !group.has_relative_path()) break;
      group = group.parent_path();
    }
  }
  return smallest == UINT64_MAX ? 0 : smallest;
}

}  // namespace

std::optional<MountEntry> MountUnder(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  for (MountEntry& entry : ListMounts())
    if (entry.device == status.st_dev) return std::move(entry);
  return std::nullopt;
}

Machine DescribeMachine(const std::string& path) {
  Machine machine;
  machine.date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
  utsname name{};
  if (uname(&name) == 0) {
    machine.host = name.nodename;
    machine.kernel = fmt::format("{} {}", name.sysname, name.release);
  }
  machine.distribution = ValueOf("/etc/os-release", "PRETTY_NAME");
  machine.processor = ValueOf("/proc/cpuinfo", "model name");
  cpu_set_t processors;
  if (sched_getaffinity(0, sizeof processors, &processors) == 0)
    machine.cores = static_cast<unsigned>(CPU_COUNT(&processors));
  struct sysinfo memory{};
  if (sysinfo(&memory) == 0) machine.memory_bytes = static_cast<uint64_t>(memory.totalram) * memory.mem_unit;
  const uint64_t limit_bytes = CgroupMemoryLimit();
  if (limit_bytes < machine.memory_bytes) machine.memory_limit_bytes = limit_bytes;
  if (const auto mount = MountUnder(path)) {
    machine.file_system = mount->type;
    machine.device = mount->source;
  }
  machine.quire_version = QUIRE_VERSION;
  return machine;
}

}  // namespace quire::bench
