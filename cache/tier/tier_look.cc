// SPDX-License-Identifier: Apache-2.0
#include "cache/tier/tier_look.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
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
  if (std::cmp_not_equal(status.st_size, TierMap::EmptyBytes(head->key.volume_bytes)))
    return Corrupt("'{}': it is cut off", path);
  return OpenMap{*std::move(file), *std::move(head)};
}

}  // namespace

Result<TierLook> LookAtTierVolume(const std::string& folder, uint64_t most_bytes) {
  auto map = OpenToLook(folder);
  if (!map) return Propagate(std::move(map));
  const uint64_t volume_bytes = map->head.key.volume_bytes;
  if (volume_bytes > most_bytes)
    return Corrupt("'{}/map' is of a volume of {} bytes, and this one has {} at most", folder, volume_bytes,
                   most_bytes);
  TierLook look{.head = std::move(map->head)};
  const uint64_t pages = CeilDiv(volume_bytes, kPageBytes);
  look.units.reserve(pages);
  std::vector<TierPage> records(kRecordsAtATime);
  for (uint64_t first = 0; first < pages; first += kRecordsAtATime) {
    const auto some = std::span(records).first(std::min<uint64_t>(kRecordsAtATime, pages - first));
    if (auto read = map->file.ReadExactly(TierRecordAt(first), std::as_writable_bytes(some)); !read)
      return Propagate(std::move(read));
    for (const TierPage& record : some) look.units.push_back(static_cast<uint8_t>(record.present.count()));
  }
  return look;
}

Result<std::optional<std::string>> FindTierFolder(const std::string& directory, const std::string& source) {
  std::optional<std::string> found;
  uint64_t found_made_at_ms = 0;
  std::error_code error;
  size_t looked_at = 0;
  for (std::filesystem::directory_iterator entry(directory + "/volumes", error), end;
       !error && entry != end && looked_at < kMostFolders; entry.increment(error), ++looked_at) {
    const auto map = OpenToLook(entry->path().native());
    if (!map || map->head.key.source != source) continue;
    if (found && map->head.created_at_ms <= found_made_at_ms) continue;
    found = entry->path().native();
    found_made_at_ms = map->head.created_at_ms;
  }
  if (error == std::errc::no_such_file_or_directory)
    return MakeError(ErrorCode::kNotFound, "'{}' is no tier: it has no folder 'volumes'", directory);
  if (error) return SystemError(error.value(), "tier, '{}/volumes'", directory);
  return found;
}

}  // namespace quire
