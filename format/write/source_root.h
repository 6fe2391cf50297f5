// SPDX-License-Identifier: Apache-2.0
// The directory that is packed. It is opened once, and what lies below is opened from its descriptor and never through
// a symlink: nothing outside is read, whatever becomes of its path and of the folders below while the packer works.
#pragma once

#include <string>
#include <vector>

#include "format/file.h"
#include "format/result.h"

namespace quire {

// Thread-safe.
class SourceRoot {
 public:
  enum class Walk {
    kKernel,       // openat2(2) walks a path
    kByComponent,  // each folder on the way is opened: for kernels before 5.6, and filters that refuse openat2
  };
  // kKernel where it works.
  static Walk ChooseWalk();

  // `path`: a directory; a symlink to one is followed, here and never again. Errors name `path`.
  static Result<SourceRoot> Open(const std::string& path, Walk walk = ChooseWalk());

  // Opens the entry at `path` below the root ("" is the root itself) by open(2) with `flags` and O_CLOEXEC. `path`: at
  // most 4095 bytes, however long the root's own is. kUnreadable where a component is a symlink, or a folder is none
  // any more; else kSystem. Takes two descriptors besides at most, for the time of the call.
  [[nodiscard]] Result<File> OpenBelow(const std::string& path, int flags) const;

  [[nodiscard]] const File& folder() const { return folder_; }

 private:
  SourceRoot(File folder, Walk walk) : folder_(std::move(folder)), walk_(walk) {}

  File folder_;
  Walk walk_;
};

// The names in `folder` but "." and "..", sorted by their bytes, each once: some file systems list a name again that
// they listed before. kSystem.
Result<std::vector<std::string>> ListNames(const File& folder);

}  // namespace quire
