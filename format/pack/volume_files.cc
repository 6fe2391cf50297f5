// SPDX-License-Identifier: Apache-2.0
#include "format/pack/volume_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace quire {
namespace {

namespace fs = std::filesystem;

// Whether `path` is one of `places` or lies in one. All are absolute and without symlinks.
bool LiesIn(const std::string& path, const std::vector<std::string>& places) {
  return std::ranges::any_of(
      places, [&](const std::string& place) { return path == place || place == "/" || path.starts_with(place + "/"); });
}

// What is there of `pack_folder` and `places`, as the kernel names it.
std::vector<std::string> ResolvePlaces(const fs::path& pack_folder, const VolumePlaces& places) {
  std::vector<std::string> resolved;
  const auto add = [&](const fs::path& place) {
    std::error_code error;
    if (fs::path there = fs::canonical(place, error); !error) resolved.push_back(there.native());
  };
  add(pack_folder);
  for (const std::string& place : places) add(place);
  return resolved;
}

std::unexpected<Error> NotPermitted(const std::string& path) {
  return std::unexpected(Error{ErrorCode::kSystem, EACCES,
                               fmt::format("'{}' lies in no place that this pack may read: name it, or its folder, by "
                                           "the mount option volumes= (--volumes of other commands)",
                                           path)});
}

Result<File> OpenInPlaces(const fs::path& path, const std::vector<std::string>& places) {
  // By its words first: of what lies elsewhere nobody is asked even whether it is there.
  if (!LiesIn(path.lexically_normal().native(), places)) return NotPermitted(path.native());
  // Looked at before it is opened: to open a device may do something, and to open a FIFO waits.
  auto seen = File::Open(path, O_PATH);
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

Result<void> TryOpen(const Index& index, uint16_t number, const std::string& pack_path, const VolumePlaces& places,
                     VolumeFile& volume) {
  auto record = index.GetVolume(number);
  if (!record) return std::unexpected(record.error());
  volume.record = *record;
  if (record->kind != VolumeKind::kFile)
    return Unsupported("it is of kind {}; use a newer quire", static_cast<unsigned>(record->kind));
  if (record->sum_kind > SumKind::kXxh3)
    return Unsupported("it has sums of kind {}; use a newer quire", static_cast<unsigned>(record->sum_kind));
  const auto location = index.GetLocation(*record);
  if (!location) return std::unexpected(location.error());
  volume.path = *location;
  std::error_code error;
  const fs::path folder = fs::canonical(fs::absolute(pack_path).parent_path(), error);
  if (error) return SystemError(error.value(), "the folder of '{}'", pack_path);
  auto file = OpenInPlaces(folder / volume.path, ResolvePlaces(folder, places));
  if (!file) return Propagate(std::move(file));
  volume.file = *std::move(file);
  return CheckUnchanged(volume);
}

}  // namespace

VolumeFile OpenVolumeFile(const Index& index, uint16_t number, const std::string& pack_path,
                          const VolumePlaces& places) {
  VolumeFile volume;
  if (auto opened = TryOpen(index, number, pack_path, places, volume); !opened) {
    volume.error = std::move(opened).error();
    volume.error->message = fmt::format("volume {}: {}", number, volume.error->message);
  }
  return volume;
}

Result<void> CheckUnchanged(const VolumeFile& volume) {
  struct stat status = {};
  if (fstat(volume.file.fd(), &status) != 0) return SystemError(errno, "'{}'", volume.path);
  if (volume.record.identity_kind == IdentityKind::kSizeAndMtime && IdentityOf(status) != volume.record.identity)
    return Corrupt("'{}' has changed since it was indexed: index it again", volume.path);
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
