// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_look.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "format/file.h"

namespace quire {
namespace {

constexpr size_t kRecordsAtATime = 1024;  // 64 KiB
// Volumes of a tier that are looked through for a source: more make no sense, and somebody may have made any number.
constexpr size_t kMostFolders = 1 << 16;

struct OpenMap {
  File file;
  TierMapHead head;
};

// A pipe that somebody has put in its place is not waited for, and a link not followed.
Result<OpenMap> OpenToLook(const std::string& folder) {
  const std::string path = folder + "/map";
  auto file = File::Open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file) return Propagate(std::move(file));
  struct stat status = {};
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (!S_ISREG(status.st_mode)) return Corrupt("'{}' is no file", path);
  std::array<std::byte, TierMapHead::kBytes> bytes = {};
  if (auto read = file->ReadExactly(0, bytes); !read) return Propagate(std::move(read));
  auto head = TierMapHead::Parse(bytes, path);
  if (!head) return Propagate(std::move(head));
  if (std::cmp_not_equal(status.st_size, TierMap::EmptyBytes(head->key.page_count())))
    return Corrupt("'{}': it is cut off", path);
  return OpenMap{*std::move(file), *std::move(head)};
}

// Tells those pages of the map that lie below `end_page` and have a place in `units`.
Result<void> ReadUnits(const OpenMap& map, uint64_t end_page, std::vector<uint8_t>& units) {
  const TierKey& key = map.head.key;
  const uint64_t end = std::min({key.page_end(), end_page, uint64_t{units.size()}});
  std::vector<TierPage> records(kRecordsAtATime);
  for (uint64_t first = key.first_page; first < end; first += kRecordsAtATime) {
    const auto some = std::span(records).first(std::min<uint64_t>(kRecordsAtATime, end - first));
    if (auto read = map.file.ReadExactly(TierRecordAt(key, first), std::as_writable_bytes(some)); !read) return read;
    for (size_t i = 0; i < some.size(); ++i) units[first + i] = static_cast<uint8_t>(some[i].present.count());
  }
  return {};
}

}  // namespace

Result<TierLook> LookAtTierVolume(const std::string& folder, uint64_t most_bytes) {
  auto map = OpenToLook(folder);
  if (!map) return Propagate(std::move(map));
  const uint64_t volume_bytes = map->head.key.volume_bytes;
  if (volume_bytes > most_bytes)
    return Corrupt("'{}/map' is of a volume of {} bytes, and this one has {} at most", folder, volume_bytes,
                   most_bytes);
  TierLook look{.head = map->head, .units = std::vector<uint8_t>(map->head.key.page_end())};
  if (auto read = ReadUnits(*map, map->head.key.page_end(), look.units); !read) return Propagate(std::move(read));
  // Each lies below the one before, so there is an end of them.
  for (uint64_t end_page = map->head.key.first_page; end_page > 0;) {
    map = OpenToLook(std::filesystem::path(folder).replace_filename(TierKey::FolderName(map->head.key.below)));
    if (!map || map->head.key.first_page >= end_page) break;
    if (auto read = ReadUnits(*map, end_page, look.units); !read) return Propagate(std::move(read));
    end_page = map->head.key.first_page;
  }
  return look;
}

Result<std::optional<std::string>> FindTierFolder(const std::string& directory, const std::string& source) {
  std::vector<std::pair<std::string, TierMapHead>> heads;
  std::error_code error;
  size_t looked_at = 0;
  for (std::filesystem::directory_iterator entry(directory + "/volumes", error), end;
       !error && entry != end && looked_at < kMostFolders; entry.increment(error), ++looked_at) {
    const auto map = OpenToLook(entry->path().native());
    if (map && map->head.key.source == source) heads.emplace_back(entry->path().native(), map->head);
  }
  if (error == std::errc::no_such_file_or_directory)
    return MakeError(ErrorCode::kNotFound, "'{}' is no tier: it has no folder 'volumes'", directory);
  if (error) return SystemError(error.value(), "tier, '{}/volumes'", directory);
  std::set<std::array<uint64_t, 2>> below;
  for (const auto& [path, head] : heads) below.insert(head.key.below);
  const auto found = std::ranges::max_element(heads, {}, [&](const auto& one) {
    return std::pair(!below.contains(one.second.key.words), one.second.created_at_ms);
  });
  return found == heads.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace quire
