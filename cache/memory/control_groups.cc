// SPDX-License-Identifier: Apache-2.0
#include "cache/memory/control_groups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "format/file.h"

namespace quire {
namespace {

// Inside this file groups are named by their path, and the root by nothing, so that a parent is what stands before the
// last '/'.
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

bool IsWithin(std::string_view group, std::string_view top) {
  return group.starts_with(top) && (group.size() == top.size() || group[top.size()] == '/');
}

// Whether `top` lies above the root of our cgroup namespace: then it is "/..", or more of the kind.
bool IsAboveNamespace(std::string_view top) {
  while (top.starts_with("/..")) top.remove_prefix(3);
  return top.empty();
}

// Adds `group` and those above it, up to the highest that the mount shows.
void AddGroups(const Hierarchy& hierarchy, std::string group, const std::string& root,
               std::vector<MemoryGroup>& groups) {
  if (!IsWithin(group, hierarchy.top)) {
    // Either a group above ours, which limits us too, or a stranger's, which does not.
    if (!IsAboveNamespace(hierarchy.top)) return;
    group = hierarchy.top;
  }
  while (groups.size() < kMaxMemoryGroups) {
    groups.push_back({hierarchy.is_v2, group.empty() ? "/" : group,
                      root + hierarchy.mount_point + group.substr(hierarchy.top.size())});
    if (group.size() == hierarchy.top.size()) return;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

std::span<const char* const> MemoryGroup::LimitFiles() const {
  static constexpr std::array<const char*, 1> kV1 = {"memory.limit_in_bytes"};
  static constexpr std::array<const char*, 2> kV2 = {"memory.max", "memory.high"};
  if (is_v2) return kV2;
  return kV1;
}

std::vector<MemoryGroup> FindMemoryGroups(const std::string& root) {
  std::vector<MemoryGroup> groups;
  const OwnGroups own = FindOwnGroups(root);
  for (const Hierarchy& hierarchy : FindHierarchies(root)) {
    if (const auto& group = hierarchy.is_v2 ? own.v2 : own.v1) AddGroups(hierarchy, *group, root, groups);
  }
  return groups;
}

std::optional<uint64_t> ParseNumber(std::string_view text, int base) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number, base);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

std::optional<uint64_t> ParseNumberLine(std::string_view text) { return ParseNumber(text.substr(0, text.find('\n'))); }

std::optional<uint64_t> FindNumber(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    const size_t number = line.find_first_not_of(' ');
    if (number == 0 || number == std::string_view::npos) continue;  // a longer word, or nothing behind it
    line.remove_prefix(number);
    return ParseNumber(line.substr(0, line.find(' ')));
  }
  return std::nullopt;
}

std::optional<uint64_t> FindKibibytes(std::string_view text, std::string_view name) {
  const auto kib = FindNumber(text, name);
  if (!kib || *kib > std::numeric_limits<uint64_t>::max() / 1024) return std::nullopt;
  return *kib * 1024;
}

bool SmallText::Read(int fd) {
  ssize_t got = 0;
  do got = pread(fd, bytes_.data(), bytes_.size(), 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return false;
  size_ = static_cast<size_t>(got);
  return true;
}

bool SmallText::ReadPath(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return Read(file.fd());
}

}  // namespace quire
