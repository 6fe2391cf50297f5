// SPDX-License-Identifier: Apache-2.0
#include "tools/index_cache.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "format/checksum.h"
#include "format/escaping.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".quire";
constexpr size_t kMostNameBytes = 100;  // of the archive, in the name of its index
constexpr std::chrono::milliseconds kLookAgain(50);
// Grows with what the importers can read: an index that an older release made lacks it.
constexpr int kImporterVersion = 2;
// So many faults of archives are told one by one.
constexpr uint64_t kMostFaults = 10;

// By the XDG Base Directory Specification. A service manager sets neither variable.
Result<fs::path> CacheFolder() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && folder[0] == '/')
    return fs::path(folder) / "quire";
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    const passwd* const user = getpwuid(geteuid());
    home = user == nullptr ? nullptr : user->pw_dir;
  }
  if (home == nullptr || home[0] != '/')
    return Invalid("no place for the index of an archive: say where by --index, or set XDG_CACHE_HOME");
  return fs::path(home) / ".cache" / "quire";
}

// What tells these archives in this state from all others.
Result<uint64_t> IdentityOf(const std::vector<ArchiveToIndex>& archives) {
  std::string text = fmt::format("{}\n", kImporterVersion);
  for (const ArchiveToIndex& archive : archives) {
    std::error_code error;
    const fs::path real = fs::canonical(archive.path, error);
    struct stat status = {};
    if (error) return SystemError(error.value(), "{}", archive.path);
    if (stat(real.c_str(), &status) != 0) return SystemError(errno, "{}", archive.path);
    if (S_ISDIR(status.st_mode)) return Invalid("{}: is a directory; `quire pack` makes a pack of it", archive.path);
    if (!S_ISREG(status.st_mode)) return Invalid("{}: is neither a pack nor an archive", archive.path);
    text += fmt::format("{}\n{}\n{} {} {} {}.{:09}\n", real.native(), archive.top, status.st_dev, status.st_ino,
                        status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  }
  return Xxh3(std::as_bytes(std::span(text)));
}

// The index at `path`, where it is one of `archives` as they are now.
std::unique_ptr<Pack> OpenIfCurrent(const std::string& path, const std::vector<ArchiveToIndex>& archives) {
  auto pack = Pack::Open(path);
  if (!pack) return nullptr;
  VolumePlaces places;
  for (const ArchiveToIndex& archive : archives) places.push_back(archive.path);
  (*pack)->OpenVolumes(places);
  // Behind the archives stand the volumes that are decoded from them.
  if ((*pack)->volume_count() <= archives.size()) return nullptr;
  for (uint16_t volume = 1; volume < (*pack)->volume_count(); ++volume) {
    if (volume > archives.size() && (*pack)->IsDecoded(volume)) continue;
    if (volume > archives.size()) return nullptr;
    const auto fd = (*pack)->GetVolumeFd(volume);
    struct stat own = {};
    struct stat meant = {};
    if (!fd || fstat(*fd, &own) != 0 || stat(archives[volume - 1].path.c_str(), &meant) != 0) return nullptr;
    if (own.st_dev != meant.st_dev || own.st_ino != meant.st_ino) return nullptr;
  }
  return std::move(*pack);
}

// Held while an index is made, by its place in a file that all makers of the folder share: where a maker dies, the
// kernel lets go of it.
Result<File> LockIndex(const fs::path& folder, uint64_t identity, const IndexRequest& request) {
  auto file = File::Open(folder / "lock", O_RDWR | O_CREAT, 0600);
  if (!file) return file;
  flock64 lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(identity >> 1);  // an offset has no sign bit
  lock.l_len = 1;
  bool was_told = false;
  while (fcntl(file->fd(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
      return SystemError(errno, "{}", (folder / "lock").native());
    if (!std::exchange(was_told, true)) request.on_notice("waits for another process, which makes the same index");
    std::this_thread::sleep_for(kLookAgain);
  }
  return file;
}

// Those used last first, which are kept as far as there is room. What another process removes meanwhile is gone.
void RemoveOldIndexes(const fs::path& folder) {
  struct Found {
    fs::path path;
    fs::file_time_type used;
    uint64_t bytes;
  };
  std::vector<Found> indexes;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != kSuffix) continue;
    std::error_code gone;
    const auto used = at->last_write_time(gone);
    const uint64_t bytes = gone ? 0 : at->file_size(gone);
    if (!gone) indexes.push_back({at->path(), used, bytes});
  }
  std::ranges::sort(indexes, std::greater(), &Found::used);
  uint64_t bytes = 0;
  for (const Found& index : indexes) {
    bytes += index.bytes;
    if (bytes > kIndexCacheBytes && bytes > index.bytes) fs::remove(index.path, error);
  }
}

// What a user names is replaced only if it is an older index.
Result<void> CheckReplaceable(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  const auto pack = Pack::Open(path);
  if (pack && (*pack)->superblock().order == PackOrder::kArchives) return {};
  return MakeError(ErrorCode::kSystem, "{}: is there, and is no index of archives: remove it, or name another place",
                   path);
}

std::string NameOf(const std::string& archive, uint64_t identity) {
  std::string name = fs::path(archive).filename().native().substr(0, kMostNameBytes);
  if (!IsFitForTerminal(name)) name = "archive";
  return fmt::format("{}-{:016x}{}", name, identity, kSuffix);
}

Result<void> MakeIndex(const IndexRequest& request, const std::string& path) {
  const IndexArchivesOptions options{
      .archives = request.archives,
      .output = path,
      .replace = true,
      .on_fault =
          [&](const std::string& archive, std::string_view member, std::string_view reason) {
            request.on_notice(fmt::format("{}{}{}: {}", EscapeName(archive), archive.empty() ? "" : ": ",
                                          EscapeName(member), reason));
          },
      .fault_limit = kMostFaults,
      .progress = request.progress};
  const auto made = IndexArchives(options);
  if (!made) return std::unexpected(made.error());
  if (made->faults > kMostFaults)
    request.on_notice(fmt::format("{} further faults; `quire index` tells more", made->faults - kMostFaults));
  return {};
}

struct Place {
  fs::path path;
  uint64_t identity = 0;
  bool is_cached = false;
};

Result<Place> PlaceOf(const IndexRequest& request) {
  const auto identity = IdentityOf(request.archives);
  if (!identity) return std::unexpected(identity.error());
  if (!request.path.empty()) return Place{.path = request.path, .identity = *identity};
  const auto folder = CacheFolder();
  if (!folder) return std::unexpected(folder.error());
  return Place{
      .path = *folder / NameOf(request.archives.front().path, *identity), .identity = *identity, .is_cached = true};
}

std::unique_ptr<Pack> OpenAt(const Place& place, const IndexRequest& request) {
  auto pack = OpenIfCurrent(place.path, request.archives);
  // The time of the last use, by which old ones go.
  if (pack != nullptr && place.is_cached) utimensat(AT_FDCWD, place.path.c_str(), nullptr, 0);
  return pack;
}

}  // namespace

std::unique_ptr<Pack> FindIndexOf(const IndexRequest& request) {
  const auto place = PlaceOf(request);
  return place ? OpenAt(*place, request) : nullptr;
}

Result<std::unique_ptr<Pack>> OpenIndexOf(const IndexRequest& request) {
  const auto place = PlaceOf(request);
  if (!place) return std::unexpected(place.error());
  const auto& [path, identity, is_cached] = *place;
  const auto open = [&] { return OpenAt(*place, request); };
  if (auto pack = open()) return pack;
  if (!is_cached)
    if (auto replaceable = CheckReplaceable(path); !replaceable) return Propagate(std::move(replaceable));
  std::error_code error;
  const fs::path folder = fs::absolute(path).parent_path();
  if (is_cached) {
    fs::create_directories(folder, error);
    if (error)
      return SystemError(
          error.value(),
          "{}: the folder of indexes (-o index= of a mount, --index of other commands name another place)",
          folder.native());
  }
  File lock;
  if (is_cached) {
    auto locked = LockIndex(folder, identity, request);
    if (!locked) return Propagate(std::move(locked));
    lock = *std::move(locked);
    if (auto pack = open()) return pack;
  }
  if (auto made = MakeIndex(request, path); !made) return Propagate(std::move(made));
  if (is_cached) RemoveOldIndexes(folder);
  if (auto pack = open()) return pack;
  return MakeError(ErrorCode::kSystem, "{}: changed while it was indexed", request.archives.front().path);
}

}  // namespace quire
