// SPDX-License-Identifier: Apache-2.0
#include "format/import/indexed_file.h"

#include <fcntl.h>

#include <filesystem>
#include <utility>

#include "format/pack/volume_files.h"

namespace quire {

namespace fs = std::filesystem;

Result<IndexedFile> OpenIndexedFile(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return SystemError(error.value(), "{}", path);
  const bool is_regular = fs::is_regular_file(real, error);
  if (error) return SystemError(error.value(), "{}", path);
  if (!is_regular) return Invalid("{}: is no regular file", path);
  auto file = File::Open(real, O_RDONLY);
  if (!file) return SystemError(file.error().system_errno, "{}", path);
  IndexedFile opened{.file = *std::move(file), .real_path = real, .volume = {.kind = VolumeKind::kFile}};
  if (auto set = SetIdentity(opened.file, opened.volume); !set) return Propagate(std::move(set));
  opened.volume.data_end = opened.volume.identity[0];
  return opened;
}

Result<void> CheckSameState(const IndexedFile& indexed, const std::string& path) {
  Volume now;
  if (auto set = SetIdentity(indexed.file, now); !set) return set;
  if (now.identity != indexed.volume.identity)
    return MakeError(ErrorCode::kSystem, "{}: changed while it was read", path);
  return {};
}

std::string LocationOf(std::string_view real_path, const std::string& index_folder) {
  const std::string folder = index_folder == "/" ? "/" : index_folder + "/";
  return std::string(real_path.starts_with(folder) ? real_path.substr(folder.size()) : real_path);
}

}  // namespace quire
