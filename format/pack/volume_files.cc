// SPDX-License-Identifier: Apache-2.0
#include "format/pack/volume_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <span>
#include <unordered_set>
#include <utility>

#include "format/open_files.h"

namespace quire {
namespace {

namespace fs = std::filesystem;

// Absolute and without symlinks.
using Places = std::unordered_set<std::string>;

// Whether `path`, absolute too, is a place or lies in one. There may be as many places as volumes.
bool LiesIn(std::string path, const Places& places) {
  while (true) {
    if (places.contains(path)) return true;
    if (path == "/" || path.empty()) return false;
    path.resize(std::max<size_t>(path.rfind('/'), 1));
  }
}

// What is there of `pack_folder` and `places`, as the kernel names it.
Places ResolvePlaces(const fs::path& pack_folder, const VolumePlaces& places) {
  Places resolved = {pack_folder.native()};
  for (const std::string& place : places) {
    std::error_code error;
    if (const fs::path there = fs::canonical(place, error); !error) resolved.insert(there.native());
  }
  return resolved;
}

std::unexpected<Error> NotPermitted(const std::string& path) {
  return std::unexpected(Error{ErrorCode::kSystem, EACCES,
                               fmt::format("'{}' lies in no place that this pack may read: name it, or its folder, by "
                                           "the mount option volumes= (--volumes of other commands)",
                                           path)});
}

Result<File> OpenInPlaces(const fs::path& path, const Places& places) {
  // By its words first: of what lies elsewhere nobody is asked even whether it is there.
  if (!LiesIn(path.lexically_normal().native(), places)) return NotPermitted(path.native());
  // Looked at before it is opened: to open a device may do something, and to open a FIFO waits.
  auto seen = File::Open(path, O_PATH);
  if (!seen && seen.error().system_errno == ENOENT)
    return std::unexpected(
        Error{ErrorCode::kSystem, ENOENT,
              fmt::format("'{}' is not there: move it back, or make the index again", path.native())});
  if (!seen) return seen;
  std::error_code error;
  const fs::path real = fs::read_symlink(ProcPath(seen->fd()), error);
  if (error) return SystemError(error.value(), "{}", path.native());
  if (!LiesIn(real.native(), places)) return NotPermitted(real.native());
  struct stat status = {};
  if (fstat(seen->fd(), &status) != 0) return SystemError(errno, "{}", path.native());
  if (!S_ISREG(status.st_mode)) return Corrupt("'{}' is no regular file", path.native());
  auto file = File::Open(ProcPath(seen->fd()), O_RDONLY);
  if (!file) return SystemError(file.error().system_errno, "{}", path.native());
  return file;
}

// Size and mtime; see FORMAT.md.
std::array<uint64_t, 2> IdentityOf(const struct stat& status) {
  return {static_cast<uint64_t>(status.st_size), EncodeMtime(status.st_mtim)};
}

// `before`: the volumes 1 to `number` - 1.
Result<void> UseBase(const std::string& pack_path, std::span<const VolumeFile> before, VolumeFile& volume) {
  if (volume.record.sum_kind == SumKind::kNone) return Corrupt("it is decoded, and has no sums");
  if (volume.record.is_framed() && volume.record.sum_kind != SumKind::kXxh3)
    return Corrupt("it is compressed, and has other sums than XXH3-64");
  if (volume.record.base == 0) {  // which has frames: Index::GetVolume
    volume.path = pack_path;
    return {};
  }
  const VolumeFile& base = before[volume.record.base - 1];
  if (base.record.kind == VolumeKind::kDecoded) return Corrupt("it is decoded from a volume that is decoded itself");
  volume.path = base.path;
  return base.error ? std::unexpected(*base.error) : Result<void>();
}

// Where the pack lies, and so its volumes may.
struct Surroundings {
  const std::string& pack_path;
  fs::path folder;            // in which relative locations begin
  std::error_code no_folder;  // of a pack that is no file there is none
  Places places;
};

Result<void> TryOpen(const Index& index, uint16_t number, const Surroundings& where, std::span<const VolumeFile> before,
                     VolumeFile& volume) {
  auto record = index.GetVolume(number);
  if (!record) return std::unexpected(record.error());
  volume.record = *record;
  if (record->sum_kind > SumKind::kXxh3)
    return Unsupported("it has sums of kind {}; use a newer quire", static_cast<unsigned>(record->sum_kind));
  if (record->kind == VolumeKind::kDecoded) return UseBase(where.pack_path, before, volume);
  if (record->kind != VolumeKind::kFile)
    return Unsupported("it is of kind {}; use a newer quire", static_cast<unsigned>(record->kind));
  const auto location = index.GetLocation(*record);
  if (!location) return std::unexpected(location.error());
  volume.path = *location;
  if (where.no_folder) return SystemError(where.no_folder.value(), "the folder of '{}'", where.pack_path);
  auto file = OpenInPlaces(where.folder / volume.path, where.places);
  if (!file) return Propagate(std::move(file));
  volume.file = *std::move(file);
  return CheckUnchanged(volume);
}

}  // namespace

std::vector<VolumeFile> OpenVolumeFiles(const Index& index, uint16_t count, const std::string& pack_path,
                                        const VolumePlaces& places) {
  Surroundings where{.pack_path = pack_path, .folder = {}, .no_folder = {}, .places = {}};
  where.folder = fs::canonical(fs::absolute(pack_path).parent_path(), where.no_folder);
  where.places = ResolvePlaces(where.folder, places);
  // The pack, the source that reads it and the rules of its daemon hold each of them once.
  AllowOpen(size_t{3} * count);
  std::vector<VolumeFile> volumes(count);
  for (uint16_t i = 0; i < count; ++i) {
    const auto number = static_cast<uint16_t>(i + 1);
    auto opened = TryOpen(index, number, where, std::span(volumes).first(i), volumes[i]);
    if (opened) continue;
    volumes[i].error = std::move(opened).error();
    volumes[i].error->message = fmt::format("volume {}: {}", number, volumes[i].error->message);
  }
  return volumes;
}

Result<void> CheckUnchanged(const VolumeFile& volume) {
  struct stat status = {};
  if (fstat(volume.file.fd(), &status) != 0) return SystemError(errno, "'{}'", volume.path);
  if (volume.record.identity_kind == IdentityKind::kSizeAndMtime && IdentityOf(status) != volume.record.identity)
    return Corrupt("'{}' has changed since it was indexed: make the index again", volume.path);
  // Its pages are counted by what the index says, and nobody is to count pages that are not there.
  if (volume.record.data_end > static_cast<uint64_t>(status.st_size))
    return Corrupt("'{}' has {} bytes, and the index names {}", volume.path, status.st_size, volume.record.data_end);
  return {};
}

Result<void> SetIdentity(const File& file, Volume& volume) {
  struct stat status = {};
  if (fstat(file.fd(), &status) != 0) return SystemError(errno, "fstat");
  volume.identity_kind = IdentityKind::kSizeAndMtime;
  volume.identity = IdentityOf(status);
  return {};
}

}  // namespace quire
