// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/machine.h"

#include <fmt/chrono.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <utility>

#include "cache/memory/memory_limit.h"

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
  if (const auto limit = FindCacheLimit(); limit && limit->bytes < machine.memory_bytes)
    machine.memory_limit_bytes = limit->bytes;
  if (const auto mount = MountUnder(path)) {
    machine.file_system = mount->type;
    machine.device = mount->source;
  }
  machine.quire_version = QUIRE_VERSION;
  return machine;
}

}  // namespace quire::bench
