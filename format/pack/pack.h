// SPDX-License-Identifier: Apache-2.0
// A pack opened for reading: its file, superblock and index, and the bytes of volume 0. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "format/file.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

class Pack {
 public:
  // Reads the superblocks and nothing else, and waits for nobody: what is neither a file nor a block device is refused.
  // Errors name `path`.
  static Result<std::unique_ptr<Pack>> Open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Index& index() const { return *index_; }
  [[nodiscard]] const Superblock& superblock() const { return index_->superblock(); }
  // What is wrong with the superblock slot that was not taken; empty where nothing is.
  [[nodiscard]] const std::optional<std::string>& slot_damage() const { return slot_damage_; }
  // Bytes of the file behind the pack's end, which are no part of it. 0 of a block device, which is as large as it is.
  [[nodiscard]] uint64_t trailing_bytes() const { return trailing_bytes_; }
  // The file as it was opened, for those who read volume 0 in their own way.
  [[nodiscard]] const File& file() const { return file_; }

  // Fills `into` with the bytes of `extent` and checks its sum: on success they are right. Blocks in I/O.
  // kUnsupported for another volume than the pack. REQUIRES: into.size() == extent.length_bytes.
  Result<void> ReadExtent(const Extent& extent, std::span<std::byte> into) const;

  // Fills `into` with bytes of volume 0 as they are on disk, unchecked. REQUIRES: inside the pack.
  Result<void> ReadRaw(uint64_t offset, std::span<std::byte> into) const;

 private:
  // As ReadRaw. Bytes that are cut off are not damaged: they could not be read, and may come back.
  Result<void> ReadIndex(uint64_t offset, std::span<std::byte> into) const;

  Pack(std::string path, File file) : path_(std::move(path)), file_(std::move(file)) {}

  const std::string path_;
  const File file_;
  uint64_t trailing_bytes_ = 0;
  std::optional<std::string> slot_damage_;
  std::unique_ptr<Index> index_;
};

}  // namespace quire
