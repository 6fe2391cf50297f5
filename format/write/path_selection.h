// SPDX-License-Identifier: Apache-2.0
// The part of a tree that --files-from names.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/result.h"

namespace quire {

// The entries that a list names, with all below those that are directories, and the directories that they lie in.
// Thread-safe.
class PathSelection {
 public:
  // `list`: paths below the root (see SplitList); "./" before them and "/" behind them mean nothing, "." is the root.
  // `origin` names the list in errors. kInvalid for an absolute path, one with "..", and a list that names nothing.
  static Result<std::unique_ptr<PathSelection>> Parse(std::string list, bool nul_separated, const std::string& origin);
  PathSelection(const PathSelection&) = delete;
  PathSelection& operator=(const PathSelection&) = delete;

  // Whether all below the directory at `path` ("" is the root) belongs to it.
  [[nodiscard]] bool HasAllBelow(std::string_view path) const;
  // Whether the entry at `path` is named, or leads to one that is. Remembers that it is there.
  [[nodiscard]] bool Has(std::string_view path) const;
  // The named entries that Has was not asked for, sorted.
  [[nodiscard]] std::vector<std::string> Missing() const;

 private:
  struct Mark {
    bool named = false;
    mutable std::atomic<bool> seen = false;
  };
  explicit PathSelection(std::string list) : list_(std::move(list)) {}
  Result<void> Add(std::string_view path);

  const std::string list_;
  std::unordered_map<std::string_view, Mark> marks_;  // views of list_
};

}  // namespace quire
