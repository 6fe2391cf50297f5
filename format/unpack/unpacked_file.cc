// SPDX-License-Identifier: Apache-2.0
#include "format/unpack/unpacked_file.h"

#include <sys/statvfs.h>

#include <cassert>
#include <cerrno>

#include "format/write/output_file.h"

namespace quire {

Result<UnpackedFile> UnpackedFile::Create(const std::string& folder) {
  auto file = OpenUnnamed(folder);
  if (!file) return SystemError(file.error().system_errno, "{}: no temporary file can be made there", folder);
  return UnpackedFile(folder, *std::move(file));
}

Result<void> UnpackedFile::CheckRoom(uint64_t bytes) const {
  struct statvfs status{};
  if (fstatvfs(file_.fd(), &status) != 0 || status.f_blocks == 0) return {};  // unknown: the write will tell
  const uint64_t free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  if (free_bytes >= bytes + kSpareBytes) return {};
  return MakeError(ErrorCode::kSystem,
                   "{}: too little room to unpack: {} bytes are unpacked and {} are free; --tmp names another folder",
                   folder_, size_bytes_, free_bytes);
}

Result<void> UnpackedFile::Append(std::span<const std::byte> bytes) {
  if (size_bytes_ + bytes.size() > checked_bytes_) {
    const uint64_t step = bytes.size() + kStepBytes;
    if (auto room = CheckRoom(step); !room) return room;
    checked_bytes_ = size_bytes_ + step;
  }
  if (auto written = file_.WriteAll(size_bytes_, bytes); !written) {
    written.error().message = fmt::format("{}: {}", folder_, written.error().message);
    return written;
  }
  size_bytes_ += bytes.size();
  return {};
}

void UnpackedFile::Truncate(uint64_t size_bytes) {
  assert(size_bytes <= size_bytes_);
  size_bytes_ = size_bytes;
}

}  // namespace quire
