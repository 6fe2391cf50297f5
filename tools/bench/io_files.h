// SPDX-License-Identifier: Apache-2.0
// What `quire bench io` reads: a few files of each size class below a path, chosen at random but the same for one seed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "format/result.h"

namespace quire::bench {

struct IoFile {
  std::string path;
  uint64_t bytes = 0;  // as of the walk; never 0
};

// Files of like size, so that their rates are those of a size.
struct FileClass {
  std::string name;  // "16 to 128 KiB"
  uint64_t files_found = 0;
  uint64_t bytes_found = 0;
  std::vector<IoFile> files = {};  // the chosen ones, in random order; never empty

  [[nodiscard]] uint64_t bytes() const;         // of the chosen files together
  [[nodiscard]] uint64_t median_bytes() const;  // of a chosen file
};

struct IoLimits {
  uint64_t entries_looked_at = 200'000;   // a walk of seconds, where a data set may take hours
  uint64_t files_per_class = 400;         // all of a class are open at once: below the usual limit of 1024 descriptors
  uint64_t bytes_per_class = 1ULL << 30;  // half a second of a fast disk: more would tell nothing new
};

struct IoFiles {
  std::vector<FileClass> classes;  // smallest files first; never empty
  uint64_t entries_looked_at = 0;
  bool complete = true;  // the walk ended before its limit
  // Files and directories that could not be opened, and why for the first of them.
  uint64_t unreadable = 0;
  std::string first_unreadable = {};
};

// A directory is walked: regular files, found on one file system, symlinks not followed. A file is a class of its own.
// Fails where `path` is missing or nothing below it can be read. Blocks in I/O; writes nothing.
Result<IoFiles> FindIoFiles(const std::string& path, uint64_t seed, const IoLimits& limits = {});

// A file of noise for experiments that need more than is there. Removed with its owner.
class ScratchFile {
 public:
  // In `folder`, under a name of its own, written and synced. Fails where `folder` is none of the file system of
  // `path`, which would be another storage, or is full.
  static Result<ScratchFile> Make(const std::string& folder, const std::string& path, uint64_t bytes);
  ScratchFile(ScratchFile&& other) noexcept : file_(std::exchange(other.file_, {})) {}
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile();

  [[nodiscard]] const IoFile& file() const { return file_; }

 private:
  explicit ScratchFile(IoFile file) : file_(std::move(file)) {}
  IoFile file_;  // without a path: moved from
};

}  // namespace quire::bench
