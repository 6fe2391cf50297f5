// SPDX-License-Identifier: Apache-2.0
#include "tools/map/map_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "cache/remote/remote_object.h"
#include "cache/tier/pack_tier.h"
#include "cache/tier/tier_look.h"
#include "format/file.h"
#include "format/pack/pack.h"
#include "fs/mounts/daemon_answer.h"
#include "tools/archive_names.h"
#include "tools/map/kernel_pages.h"
#include "tools/map/told_pages.h"
#include "tools/stats/control_reader.h"
#include "tools/stats/pack_mounts.h"

namespace quire {
namespace {

constexpr uint16_t kFoliosAUnit = UnitSet::kUnitBytes / kFolioBytes;

LevelPages Unknown(std::string why) { return {.applies = true, .unknown = std::move(why)}; }

LevelPages KernelLevel(int fd, uint64_t bytes) {
  auto folios = ReadKernelPages(fd, bytes);
  if (!folios) return Unknown(folios.error().message);
  return {.applies = true, .folios = *std::move(folios)};
}

LevelPages TierLevel(const TierLook& look) {
  LevelPages pages{.applies = true};
  pages.folios.reserve(look.units.size());
  for (const uint8_t units : look.units) pages.folios.push_back(static_cast<uint16_t>(units * kFoliosAUnit));
  return pages;
}

// `folders`: of the volume, or of its parts, in a tier: the first one that is there tells of those behind it. Where
// none is there, nothing is held.
LevelPages LookInTier(const std::vector<std::string>& folders, uint64_t volume_bytes) {
  for (const std::string& folder : folders) {
    const auto look = LookAtTierVolume(folder, volume_bytes);
    if (look) return TierLevel(*look);
    if (look.error().system_errno != ENOENT) return Unknown(look.error().message);
  }
  return {.applies = true};
}

// --- A mount

LevelPages ToldLevel(const std::optional<std::vector<PageRun>>& runs) {
  if (!runs) return Unknown("the pack has too many pages, or they are too scattered, for its mount to tell");
  return {.applies = true};
}

VolumePages LookAtTold(const ToldVolume& told) {
  VolumePages volume{.path = told.path, .kind = told.kind, .volume_bytes = told.volume_bytes, .error = told.error};
  volume.At(Level::kMemory) = ToldLevel(told.memory);
  volume.At(Level::kHandedOn) = ToldLevel(told.handed_on);
  if (told.memory) PutWholePages(*told.memory, Level::kMemory, volume);
  if (told.handed_on) PutWholePages(*told.handed_on, Level::kHandedOn, volume);
  if (told.kind == "file") {
    const auto file = OpenToldFile(told);
    volume.At(Level::kKernel) = file ? KernelLevel(file->fd(), told.volume_bytes) : Unknown(file.error().message);
  }
  if (told.tier.starts_with('/')) volume.At(Level::kTier) = LookInTier({told.tier}, told.volume_bytes);
  return volume;
}

Result<MapReport> LookAtMount(const MapRequest& request) {
  if (!request.tier.empty())
    return Invalid("--tier is for what is not mounted: the mount at '{}' tells which tier it has", request.source);
  const auto mount = FindPackMount(request.source);
  if (!mount) return std::unexpected(mount.error());
  const auto text = ReadControlFile(*mount, "pages");
  if (!text) return std::unexpected(text.error());
  const auto told = ParseToldPages(*text);
  if (!told) return std::unexpected(told.error());
  MapReport report{.source = told->pack, .mount_point = mount->mount_point, .left_out_volumes = told->left_out_volumes};
  for (const ToldVolume& volume : told->volumes) report.volumes.push_back(LookAtTold(volume));
  return report;
}

// --- Files

// In the tier's folders for the file, if there is a tier.
LevelPages TierLevelOfFile(const MapRequest& request, int fd, const Pack* pack, uint64_t bytes) {
  if (request.tier.empty()) return {};
  const auto keys = TierKeysOfFile(fd, pack);
  if (!keys) return Unknown(keys.error().message);
  std::vector<std::string> folders;
  for (const TierKey& key : std::views::reverse(*keys))
    folders.push_back(request.tier + "/volumes/" + key.FolderName());
  return LookInTier(folders, bytes);
}

// Drops what was read of the file meanwhile: pages of which nothing was cached when `before` was told.
void ForgetOwnReads(int fd, const LevelPages& before, uint64_t bytes) {
  if (!before.is_known()) return;
  const auto after = ReadKernelPages(fd, bytes);
  if (!after) return;
  for (uint64_t page = 0; page < after->size(); ++page)
    if (before.FoliosOf(page) == 0 && (*after)[page] > 0)
      posix_fadvise(fd, static_cast<off_t>(page * kPageBytes), kPageBytes, POSIX_FADV_DONTNEED);
}

Result<File> OpenFile(const std::string& path, uint64_t& bytes) {
  auto file = File::Open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return file;
  struct stat status = {};
  if (fstat(file->fd(), &status) != 0) return SystemError(errno, "{}", path);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
    return Invalid("'{}' is neither a pack, an archive nor a folder where a pack is mounted", path);
  const off_t end = lseek(file->fd(), 0, SEEK_END);
  if (end < 0) return SystemError(errno, "{}", path);
  bytes = static_cast<uint64_t>(end);
  if (bytes > kMostPages * kPageBytes) return Unsupported("'{}' has more bytes than a pack can have", path);
  return file;
}

// Volumes 1 and up of a pack that is an index of archives. Those that are decoded from others are nowhere.
void LookAtArchives(const MapRequest& request, const Pack& pack, MapReport& report) {
  for (uint16_t number = 1; number < pack.volume_count(); ++number) {
    if (pack.IsDecoded(number)) continue;
    VolumePages volume{.path = pack.VolumePath(number)};
    const auto record = pack.index().GetVolume(number);
    if (record) volume.volume_bytes = std::min(record->data_end, kMostPages * kPageBytes);
    const auto fd = pack.GetVolumeFd(number);
    struct stat status = {};
    if (!fd) {
      volume.error = fd.error().message;
      volume.At(Level::kKernel) = Unknown(fd.error().message);
    } else if (fstat(*fd, &status) == 0) {
      volume.volume_bytes = static_cast<uint64_t>(status.st_size);
      volume.At(Level::kKernel) = KernelLevel(*fd, volume.volume_bytes);
      volume.At(Level::kTier) = TierLevelOfFile(request, *fd, nullptr, volume.volume_bytes);
    }
    report.volumes.push_back(std::move(volume));
  }
}

// A file that is no pack is one volume: an archive, of whose index nothing is needed here.
Result<void> LookAtFile(const MapRequest& request, const std::string& path, MapReport& report) {
  VolumePages volume{.path = path};
  const auto file = OpenFile(path, volume.volume_bytes);
  if (!file) return std::unexpected(file.error());
  volume.At(Level::kKernel) = KernelLevel(file->fd(), volume.volume_bytes);
  const auto pack = Pack::Open(path);
  volume.At(Level::kTier) = TierLevelOfFile(request, file->fd(), pack ? pack->get() : nullptr, volume.volume_bytes);
  const LevelPages kernel = volume.At(Level::kKernel);
  const uint64_t bytes = volume.volume_bytes;
  report.volumes.push_back(std::move(volume));
  if (pack) {
    (*pack)->OpenVolumes(request.places);
    LookAtArchives(request, **pack, report);
  }
  ForgetOwnReads(file->fd(), kernel, bytes);
  return {};
}

Result<MapReport> LookAtFiles(const MapRequest& request) {
  MapReport report{.source = request.source};
  std::vector<std::string> paths = {request.source};
  if (IsArchivePattern(request.source)) {
    auto archives = ExpandArchives(request.source);
    if (!archives) return Propagate(std::move(archives));
    paths = *std::move(archives);
  }
  for (const std::string& path : paths)
    if (auto looked = LookAtFile(request, path, report); !looked) return Propagate(std::move(looked));
  return report;
}

// --- A URL

// No server is asked: what the tier has is told by its source.
Result<MapReport> LookAtUrl(const MapRequest& request) {
  if (request.tier.empty())
    return Invalid("'{}' is on no disk of this machine: give --tier DIR, or the folder where it is mounted",
                   request.source);
  const std::string source = request.source.substr(0, request.source.find('?'));  // as tiers name it
  const auto folder = FindTierFolder(request.tier, source);
  if (!folder) return std::unexpected(folder.error());
  if (!*folder)
    return MakeError(ErrorCode::kNotFound, "the tier '{}' holds nothing of '{}'; 'quire tier ls' lists what it holds",
                     request.tier, source);
  const auto look = LookAtTierVolume(**folder, kMostPages * kPageBytes);
  if (!look) return std::unexpected(look.error());
  VolumePages volume{.path = source, .kind = "url", .volume_bytes = look->head.key.volume_bytes};
  volume.At(Level::kTier) = TierLevel(*look);
  MapReport report{.source = source};
  report.volumes.push_back(std::move(volume));
  return report;
}

}  // namespace

Result<MapReport> LookForPages(const MapRequest& request) {
  if (IsUrl(request.source)) return LookAtUrl(request);
  if (request.source.empty()) return Invalid("name a folder where a pack is mounted, a pack or a URL");
  if (auto answers = CheckPathAnswers(request.source); !answers) return Propagate(std::move(answers));
  struct stat status = {};
  const bool is_there = stat(request.source.c_str(), &status) == 0;
  if (!is_there && errno == ENOENT && !IsArchivePattern(request.source))
    return MakeError(ErrorCode::kNotFound, "'{}': there is no such file or folder", request.source);
  // Of a mount of another user's root is told nothing here, and of one whose daemon is gone nobody is.
  const bool may_be_mount = is_there ? S_ISDIR(status.st_mode) : errno != ENOENT;
  if (may_be_mount) return LookAtMount(request);
  if (!request.tier.empty() && access((request.tier + "/volumes").c_str(), F_OK) != 0 && errno == ENOENT)
    return MakeError(ErrorCode::kNotFound, "'{}' is no tier: it has no folder 'volumes'", request.tier);
  return LookAtFiles(request);
}

}  // namespace quire
