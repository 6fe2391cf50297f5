#include "format/exclude_patterns.h"

#include <fnmatch.h>

#include <algorithm>

namespace quire {

void ExcludePatterns::Add(std::string_view glob, std::string origin) {
  const bool directories_only = glob.size() > 1 && glob.ends_with('/');
  while (glob.size() > 1 && glob.ends_with('/')) glob.remove_suffix(1);
  const bool is_path = glob.contains('/');
  if (glob.starts_with("./")) glob.remove_prefix(1);
  if (glob.starts_with('/')) glob.remove_prefix(1);
  patterns_.emplace_back(std::string(glob), is_path, directories_only, std::move(origin));
}

bool ExcludePatterns::Pattern::Fits(const std::string& path) const {
  if (is_path) return fnmatch(glob.c_str(), path.c_str(), FNM_PATHNAME) == 0;
  return fnmatch(glob.c_str(), path.c_str() + path.rfind('/') + 1, 0) == 0;
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
  std::vector<std::string> origins;
  for (const Pattern& pattern : patterns_)
    if (!pattern.matched.load(std::memory_order_relaxed)) origins.push_back(pattern.origin);
  return origins;
}

}  // namespace quire
