// SPDX-License-Identifier: Apache-2.0
// The folder that an extraction writes to, and the folders below it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "format/file.h"
#include "format/mutex.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Opens folders by their place in the pack. No symlink below the top is followed, whoever made it, so nothing is
// reached outside of it. Thread-safe.
class TargetTree {
 public:
  // A shuffled pack goes from folder to folder: as many are kept open as usual datasets have.
  static constexpr size_t kMaxOpenFolders = 512;

  // `top`: the folder that stands for the pack's root. `max_open`: folders that are kept open, 1 at least.
  TargetTree(const Index& index, File top, size_t max_open)
      : index_(index), top_(std::move(top)), max_open_(max_open) {}

  // The folder for directory `number` of the pack, open for making entries in it (O_PATH). Most stay open for
  // the next time. kSystem where it is not there or a symlink stands in the way.
  Result<std::shared_ptr<const File>> Open(NodeNumber number);

  // The same at `path` below the top, opened with `flags` (O_PATH, O_RDONLY).
  [[nodiscard]] Result<File> OpenPath(const std::string& path, int flags) const;

 private:
  [[nodiscard]] Result<File> Walk(const std::string& path, int flags) const;

  const Index& index_;
  const File top_;
  const size_t max_open_;
  Mutex mutex_;  // not held across system calls
  std::unordered_map<NodeNumber, std::shared_ptr<const File>> open_ QUIRE_GUARDED_BY(mutex_);
};

// The folder of the pack that holds an entry, kept for the next entry, which most often lies in the same one. For one
// thread.
class FolderCursor {
 public:
  FolderCursor(const Index& index, TargetTree& tree) : index_(index), tree_(tree) {}

  // The folder that `place` belongs into. REQUIRES: place > 0.
  Result<std::shared_ptr<const File>> FolderOf(NodeNumber place);

 private:
  const Index& index_;
  TargetTree& tree_;
  std::shared_ptr<const File> folder_;
  NodeNumber first_child_ = 0;
  uint64_t child_count_ = 0;
};

}  // namespace quire
