// SPDX-License-Identifier: Apache-2.0
// A temporary file without a name that takes what comes out of an archive, one byte behind the other. What an archive
// says of its sizes proves nothing, so the file stops growing before its file system is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Not thread-safe.
class UnpackedFile {
 public:
  // Whether there is room is looked at before each further 64 MiB, a tenth of a second of a fast disk.
  static constexpr uint64_t kStepBytes = 64 << 20;
  // So much is left to others, and to the index of the pack.
  static constexpr uint64_t kSpareBytes = 64 << 20;

  static Result<UnpackedFile> Create(const std::string& folder);

  // kSystem, with the folder and the remedy, where it has too little room.
  Result<void> Append(std::span<const std::byte> bytes);
  // Forgets what was appended behind. REQUIRES: size_bytes <= size_bytes().
  void Truncate(uint64_t size_bytes);

  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] const File& file() const { return file_; }
  // REQUIRES: nothing is appended later.
  File TakeFile() { return std::move(file_); }

 private:
  UnpackedFile(std::string folder, File file) : folder_(std::move(folder)), file_(std::move(file)) {}

  [[nodiscard]] Result<void> CheckRoom(uint64_t bytes) const;

  std::string folder_;
  File file_;
  uint64_t size_bytes_ = 0;
  uint64_t checked_bytes_ = 0;  // for which there was room
};

}  // namespace quire
