#include "cache/memory/memory_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace quire {
namespace {

std::optional<uint64_t> ParseNumber(std::string_view text, int base = 10) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number, base);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

// Control groups are named by their path, and the root by nothing, so that a parent is what stands before the last '/'.
std::string GroupOf(const std::string& path) { return path == "/" ? "" : path; }

bool HasMemory(std::string_view controllers) { return fmt::format(",{},", controllers).contains(",memory,"); }

// A mounted hierarchy that may limit memory.
struct Hierarchy {
  bool is_v2 = false;
  std::string top;  // the group that stands at the mount point; in a container often not the root
  std::string mount_point;
};

// The groups of this process. In a hybrid set-up it has both, and the memory controller is in one of them.
struct OwnGroups {
  std::optional<std::string> v1;
  std::optional<std::string> v2;
};

// The kernel writes space, tab, newline and backslash as \ooo; systemd's names are full of backslashes.
std::string Unescape(std::string_view field) {
  std::string text;
  while (!field.empty()) {
    const auto code = field.starts_with('\\') ? ParseNumber(field.substr(1, 3), 8) : std::nullopt;
    text += code ? static_cast<char>(*code) : field.front();
    field.remove_prefix(code ? std::min<size_t>(4, field.size()) : 1);
  }
  return text;
}

// 36 35 98:0 /root /mount-point options optional... - type source super-options
std::optional<Hierarchy> ParseMount(const std::string& line) {
  std::istringstream fields(line);
  std::string top;
  std::string mount_point;
  std::string word;
  fields >> word >> word >> word >> top >> mount_point;
  while (fields >> word && word != "-") continue;
  std::string type;
  fields >> type;
  while (fields >> word) continue;  // the last one has the super options; a source may be empty
  if (type != "cgroup2" && (type != "cgroup" || !HasMemory(word))) return std::nullopt;
  return Hierarchy{type == "cgroup2", GroupOf(Unescape(top)), Unescape(mount_point)};
}

std::vector<Hierarchy> FindHierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    if (auto hierarchy = ParseMount(line)) found.push_back(*std::move(hierarchy));
  }
  return found;
}

// Lines of v1 are "4:cpu,memory:/group", that of v2 is "0::/group".
OwnGroups FindOwnGroups(const std::string& root) {
  OwnGroups own;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t controllers = line.find(':') + 1;
    const size_t group = line.find(':', controllers) + 1;
    if (controllers == 0 || group == 0) continue;
    const std::string_view names = std::string_view(line).substr(controllers, group - 1 - controllers);
    if (names.empty()) own.v2 = GroupOf(line.substr(group));
    if (HasMemory(names)) own.v1 = GroupOf(line.substr(group));
  }
  return own;
}

// "max", and whatever cannot be read, is no limit. What v1 calls no limit is more than any machine has.
std::optional<uint64_t> ReadLimit(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return ParseNumber(line);
}

void Narrow(MemoryLimit& limit, uint64_t bytes, std::string source) {
  if (bytes < limit.bytes) limit = {bytes, std::move(source)};
}

bool IsWithin(std::string_view group, std::string_view top) {
  return group.starts_with(top) && (group.size() == top.size() || group[top.size()] == '/');
}

// Whether `top` lies above the root of our cgroup namespace: then it is "/..", or more of the kind.
bool IsAboveNamespace(std::string_view top) {
  while (top.starts_with("/..")) top.remove_prefix(3);
  return top.empty();
}

// The folders of `group` and of those above it, up to the highest that the mount shows.
void ForEachGroup(const Hierarchy& hierarchy, std::string group, const std::string& root, const auto& visit) {
  if (!IsWithin(group, hierarchy.top)) {
    // Either a group above ours, which limits us too, or a stranger's, which does not.
    if (!IsAboveNamespace(hierarchy.top)) return;
    group = hierarchy.top;
  }
  while (true) {
    visit(root + hierarchy.mount_point + group.substr(hierarchy.top.size()), group);
    if (group.size() == hierarchy.top.size()) return;
    group.resize(group.rfind('/'));
  }
}

// Calls `visit` with the hierarchy, the folder and the name of each group that may limit this process.
void ForEachOwnGroup(const std::string& root, const auto& visit) {
  const OwnGroups own = FindOwnGroups(root);
  for (const Hierarchy& hierarchy : FindHierarchies(root)) {
    if (const auto& group = hierarchy.is_v2 ? own.v2 : own.v1)
      ForEachGroup(hierarchy, *group, root,
                   [&](const std::string& folder, const std::string& name) { visit(hierarchy, folder, name); });
  }
}

std::vector<std::string> LimitFiles(const Hierarchy& hierarchy) {
  if (hierarchy.is_v2) return {"memory.max", "memory.high"};
  return {"memory.limit_in_bytes"};
}

// Of a group and all below it: what is used, without the cached files, which are given back when memory is short.
std::optional<uint64_t> ReadHeldBytes(const Hierarchy& hierarchy, const std::string& folder) {
  const auto used_bytes = ReadLimit(folder + (hierarchy.is_v2 ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!used_bytes) return std::nullopt;
  const std::string prefix = hierarchy.is_v2 ? "" : "total_";
  uint64_t cached_bytes = 0;
  std::ifstream file(folder + "/memory.stat");
  for (std::string name, number; file >> name >> number;)
    if (name == prefix + "inactive_file" || name == prefix + "active_file")
      cached_bytes += ParseNumber(number).value_or(0);
  return *used_bytes - std::min(*used_bytes, cached_bytes);
}

void NarrowByResourceLimits(MemoryLimit& limit) {
  constexpr std::array<std::pair<__rlimit_resource, const char*>, 2> kLimits = {
      {{RLIMIT_AS, "RLIMIT_AS, ulimit -v"}, {RLIMIT_DATA, "RLIMIT_DATA, ulimit -d"}}};
  for (const auto& [resource, name] : kLimits) {
    rlimit soft = {};
    if (getrlimit(resource, &soft) == 0) Narrow(limit, soft.rlim_cur, name);  // RLIM_INFINITY is the largest number
  }
}

// "MemTotal:       24684092 kB"
std::optional<uint64_t> ReadMachineBytes(const std::string& root, std::string_view field) {
  std::ifstream file(root + "/proc/meminfo");
  for (std::string name, number, unit; file >> name >> number;) {
    if (name == field) {
      const auto kib = ParseNumber(number);
      if (!kib || *kib > std::numeric_limits<uint64_t>::max() / 1024) return std::nullopt;
      return *kib * 1024;
    }
    std::getline(file, unit);
  }
  return std::nullopt;
}

}  // namespace

Result<MemoryLimit> FindMemoryLimit(const std::string& root) {
  const auto machine_bytes = ReadMachineBytes(root, "MemTotal:");
  if (!machine_bytes) return SystemError(ENOENT, "/proc/meminfo has no MemTotal: is /proc mounted?");
  MemoryLimit limit = {*machine_bytes, "this machine"};
  ForEachOwnGroup(root, [&](const Hierarchy& hierarchy, const std::string& folder, const std::string& group) {
    for (const std::string& file : LimitFiles(hierarchy)) {
      if (const auto bytes = ReadLimit(fmt::format("{}/{}", folder, file)))
        Narrow(limit, *bytes, fmt::format("cgroup {}", group.empty() ? "/" : group));
    }
  });
  NarrowByResourceLimits(limit);
  return limit;
}

Result<uint64_t> FindAvailableMemory(const std::string& root) {
  auto available_bytes = ReadMachineBytes(root, "MemAvailable:");
  if (!available_bytes) return SystemError(ENOENT, "/proc/meminfo has no MemAvailable: is /proc mounted?");
  ForEachOwnGroup(root, [&](const Hierarchy& hierarchy, const std::string& folder, const std::string& /*group*/) {
    const auto held_bytes = ReadHeldBytes(hierarchy, folder);
    if (!held_bytes) return;
    for (const std::string& file : LimitFiles(hierarchy)) {
      if (const auto bytes = ReadLimit(fmt::format("{}/{}", folder, file)))
        available_bytes = std::min(*available_bytes, *bytes - std::min(*bytes, *held_bytes));
    }
  });
  return *available_bytes;
}

}  // namespace quire
