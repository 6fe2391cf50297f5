// SPDX-License-Identifier: Apache-2.0
#include "fs/mounts/mount_table.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <ranges>
#include <utility>

namespace quire {
namespace {

constexpr int kMaxSymlinks = 40;  // as the kernel

// The next field of `line`, which is separated by single spaces.
std::string_view TakeField(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

std::optional<uint64_t> ParseNumber(std::string_view text, int base = 10) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number, base);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

// The kernel writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view field) {
  std::string text;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      if (const auto code = ParseNumber(field.substr(i + 1, 3), 8)) {
        text += static_cast<char>(*code);
        i += 3;
        continue;
      }
    }
    text += field[i];
  }
  return text;
}

// The value of `name`, "user_id=", among the options of the file system, "rw,user_id=1000,group_id=1000".
std::optional<uint32_t> ParseId(std::string_view options, std::string_view name) {
  for (const auto part : std::views::split(options, ',')) {
    const std::string_view option(part.begin(), part.end());
    if (option.starts_with(name))
      if (const auto id = ParseNumber(option.substr(name.size()))) return static_cast<uint32_t>(*id);
  }
  return std::nullopt;
}

// 36 35 98:0 /root /mount-point options optional... - type source super-options
std::optional<MountEntry> ParseLine(std::string_view line) {
  const auto id = ParseNumber(TakeField(line));
  TakeField(line);
  const std::string_view device = TakeField(line);
  TakeField(line);
  const std::string_view mount_point = TakeField(line);
  const size_t colon = device.find(':');
  if (!id || colon == std::string_view::npos) return std::nullopt;
  const auto major_number = ParseNumber(device.substr(0, colon));
  const auto minor_number = ParseNumber(device.substr(colon + 1));
  if (!major_number || !minor_number) return std::nullopt;
  while (!line.empty() && TakeField(line) != "-") continue;
  const std::string_view type = TakeField(line);
  const std::string_view source = TakeField(line);
  if (type.empty()) return std::nullopt;
  return MountEntry{.id = *id,
                    .device = makedev(*major_number, *minor_number),
                    .mount_point = Unescape(mount_point),
                    .type = std::string(type),
                    .source = Unescape(source),
                    .user = ParseId(line, "user_id="),
                    .group = ParseId(line, "group_id=")};
}

Result<std::string> RealPath(const std::string& path) {
  char* const resolved = realpath(path.c_str(), nullptr);
  const int error = resolved == nullptr ? errno : 0;
  const std::unique_ptr<char, decltype(&std::free)> real(resolved, &std::free);
  if (real != nullptr) return std::string(real.get());
  if (error == ENOENT) return MakeError(ErrorCode::kNotFound, "'{}' does not exist", path);
  return SystemError(error, "'{}'", path);
}

}  // namespace

std::vector<MountEntry> ParseMountInfo(std::string_view text) {
  std::vector<MountEntry> entries;
  for (const auto line : std::views::split(text, '\n')) {
    if (auto entry = ParseLine(std::string_view(line.begin(), line.end()))) entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<std::vector<MountEntry>> ReadMounts() {
  constexpr const char* kPath = "/proc/self/mountinfo";
  errno = 0;
  std::ifstream file(kPath);
  const int error = file ? 0 : errno;
  if (error != 0 && error != ENOENT) return SystemError(error, "{}", kPath);
  auto mounts = ParseMountInfo(std::string(std::istreambuf_iterator<char>(file), {}));
  if (mounts.empty()) return SystemError(ENOENT, "{} cannot be read: is /proc mounted?", kPath);
  return mounts;
}

std::vector<MountEntry> ListMounts() { return ReadMounts().value_or(std::vector<MountEntry>()); }

Result<std::optional<MountEntry>> FindMount(const std::string& mount_point) {
  assert(mount_point.starts_with('/'));
  auto mounts = ReadMounts();
  if (!mounts) return Propagate(std::move(mounts));
  std::optional<MountEntry> found;
  for (auto& entry : *mounts) {
    if (entry.mount_point == mount_point) found = std::move(entry);  // later lines lie on top of earlier ones
  }
  return found;
}

std::optional<MountEntry> FindMountAbove(std::string_view path) {
  std::optional<MountEntry> above;
  for (auto& entry : ListMounts()) {
    const std::string& point = entry.mount_point;
    const bool is_above = LiesBelow(path, point) && path.size() > point.size();
    if (is_above && (!above || point.size() >= above->mount_point.size())) above = std::move(entry);
  }
  return above;
}

bool LiesBelow(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return false;
  path.remove_prefix(folder.size());
  return path.empty() || path.starts_with('/') || folder == "/";
}

Result<std::string> ResolveMountPoint(const std::string& path) {
  std::string current = path;
  for (int symlinks = 0; symlinks < kMaxSymlinks; ++symlinks) {
    while (current.size() > 1 && current.ends_with('/')) current.pop_back();
    const size_t slash = current.rfind('/');
    const std::string name = current.substr(slash + 1);  // all of it where there is no slash
    if (name.empty() || name == "." || name == "..") return RealPath(current);
    auto parent = RealPath(slash == std::string::npos ? "." : current.substr(0, slash + 1));
    if (!parent) return parent;
    if (!parent->ends_with('/')) *parent += '/';
    current = *parent + name;

    std::array<char, PATH_MAX> target = {};
    const ssize_t target_bytes = readlink(current.c_str(), target.data(), target.size());
    if (target_bytes < 0 && errno == ENOENT) return MakeError(ErrorCode::kNotFound, "'{}' does not exist", path);
    if (target_bytes < 0) return current;  // no symlink: EINVAL, or what a mount without a daemon answers
    const std::string_view link(target.data(), static_cast<size_t>(target_bytes));
    current = link.starts_with('/') ? std::string(link) : fmt::format("{}{}", *parent, link);
  }
  return SystemError(ELOOP, "'{}'", path);
}

}  // namespace quire
