// SPDX-License-Identifier: Apache-2.0
// The patterns of --exclude: which entries of a tree a pack is without.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace quire {

// A pattern is a glob of fnmatch(3). One without '/' is compared with the name, one with '/' with the whole path below
// the root, where '*' does not match '/'; a leading "/" or "./" stands for the root. There "**" in place of a name is
// any number of directories, none as well, and at the end all that is below, as gitignore(5) has it. A pattern that
// ends in '/' is for directories only. Thread-safe, but for Add.
class ExcludePatterns {
 public:
  ExcludePatterns() = default;
  ExcludePatterns(const ExcludePatterns&) = delete;
  ExcludePatterns& operator=(const ExcludePatterns&) = delete;

  // `origin`: what a message calls it, "--exclude 'cache/'".
  void Add(std::string_view glob, std::string origin);
  [[nodiscard]] bool empty() const { return patterns_.empty(); }

  // Whether the entry at `path`, without a leading '/', matches. `is_directory` is asked where that decides. Remembers
  // which patterns matched.
  [[nodiscard]] bool Match(const std::string& path, const std::function<bool()>& is_directory) const;

  // Whether the file at `path`, or one of the directories that it lies in, matches; this is not remembered.
  [[nodiscard]] bool Cover(std::string_view path) const;

  // A sentence for each that matched nothing, in the order in which they were added. What lies below something that
  // another one matched was never looked at.
  [[nodiscard]] std::vector<std::string> Unmatched() const;

 private:
  struct Pattern {
    std::vector<std::string> names;  // globs, or kAnyDirectories, which is never the last
    bool is_path;                    // compared with all names of a path, else with the last
    bool directories_only;
    std::string origin;
    mutable std::atomic<bool> matched = false;
    [[nodiscard]] bool Fits(const std::string& path) const;
  };
  std::deque<Pattern> patterns_;  // addresses stay: an atomic cannot be moved
};

}  // namespace quire
