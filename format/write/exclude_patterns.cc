// SPDX-License-Identifier: Apache-2.0
#include "format/write/exclude_patterns.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "format/path_names.h"

namespace quire {
namespace {

constexpr std::string_view kAnyDirectories = "**";

bool FitsName(const std::string& glob, const char* name) { return fnmatch(glob.c_str(), name, 0) == 0; }

// As a glob matches letters: only what the last "**" before stands for can be wrong, so that alone is made longer.
bool FitsPath(const std::vector<std::string>& globs, const std::vector<std::string>& names) {
  size_t glob = 0;
  size_t name = 0;
  std::optional<size_t> behind_any;  // the glob behind the last "**"
  size_t any_end = 0;                // of the names that it stands for
  while (name < names.size()) {
    if (glob < globs.size() && globs[glob] == kAnyDirectories) {
      behind_any = ++glob;
      any_end = name;
    } else if (glob < globs.size() && FitsName(globs[glob], names[name].c_str())) {
      ++glob;
      ++name;
    } else if (behind_any) {
      glob = *behind_any;
      name = ++any_end;
    } else {
      return false;
    }
  }
  return glob == globs.size();
}

}  // namespace

void ExcludePatterns::Add(std::string_view glob, std::string origin) {
  const bool directories_only = glob.size() > 1 && glob.ends_with('/');
  while (glob.size() > 1 && glob.ends_with('/')) glob.remove_suffix(1);
  const bool is_path = glob.contains('/');
  if (glob.starts_with("./")) glob.remove_prefix(1);
  std::vector<std::string> names = SplitPath(glob);
  // What is below a directory, but not the directory.
  if (!names.empty() && names.back() == kAnyDirectories) names.emplace_back("*");
  patterns_.emplace_back(std::move(names), is_path, directories_only, std::move(origin));
}

bool ExcludePatterns::Pattern::Fits(const std::string& path) const {
  if (names.empty()) return false;
  if (is_path) return FitsPath(names, SplitPath(path));
  return FitsName(names.back(), path.c_str() + path.rfind('/') + 1);
}

bool ExcludePatterns::Match(const std::string& path, const std::function<bool()>& is_directory) const {
  bool any = false;
  for (const Pattern& pattern : patterns_) {  // all of them: each that fits is of use
    if (!pattern.Fits(path) || (pattern.directories_only && !is_directory())) continue;
    pattern.matched.store(true, std::memory_order_relaxed);
    any = true;
  }
  return any;
}

bool ExcludePatterns::Cover(std::string_view path) const {
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const std::string part(path.substr(0, end));
    const bool is_directory = end != path.npos;
    if (std::ranges::any_of(patterns_, [&](const Pattern& pattern) {
          return (is_directory || !pattern.directories_only) && pattern.Fits(part);
        }))
      return true;
    if (!is_directory) return false;
  }
}

std::vector<std::string> ExcludePatterns::Unmatched() const {
  const char* const of_what = patterns_.size() > 1 ? " that the others leave" : "";
  std::vector<std::string> sentences;
  for (const Pattern& pattern : patterns_)
    if (!pattern.matched.load(std::memory_order_relaxed))
      sentences.push_back(fmt::format("{} matches nothing{}", pattern.origin, of_what));
  return sentences;
}

}  // namespace quire
