// SPDX-License-Identifier: Apache-2.0
#include "format/write/path_selection.h"

#include <algorithm>

#include "format/write/path_list.h"

namespace quire {

Result<std::unique_ptr<PathSelection>> PathSelection::Parse(std::string list, bool nul_separated,
                                                            const std::string& origin) {
  std::unique_ptr<PathSelection> selection(new PathSelection(std::move(list)));
  for (const std::string_view entry : SplitList(selection->list_, nul_separated)) {
    if (entry.empty()) continue;
    if (auto added = selection->Add(entry); !added)
      return Invalid("{}: '{}': {}; paths are relative to SRC", origin, entry, added.error().message);
  }
  if (selection->marks_.empty()) return Invalid("{}: the list is empty; leave it out to pack all of SRC", origin);
  return selection;
}

Result<void> PathSelection::Add(std::string_view path) {
  if (path.starts_with('/')) return Invalid("is absolute");
  while (path.starts_with("./")) {
    path.remove_prefix(2);
    while (path.starts_with('/')) path.remove_prefix(1);
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path == ".") path = "";
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == "..") return Invalid("has the part '{}'", name);
    if (begin > 0) marks_.try_emplace(path.substr(0, begin - 1));
    begin = end + 1;
  }
  marks_[path].named = true;
  return {};
}

bool PathSelection::HasAllBelow(std::string_view path) const {
  const auto is_named = [&](std::string_view part) {
    const auto mark = marks_.find(part);
    return mark != marks_.end() && mark->second.named;
  };
  if (is_named("")) return true;
  for (size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1))
    if (is_named(path.substr(0, end))) return true;
  return is_named(path);
}

bool PathSelection::Has(std::string_view path) const {
  const auto mark = marks_.find(path);
  if (mark == marks_.end()) return false;
  mark->second.seen.store(true, std::memory_order_relaxed);
  return true;
}

std::vector<std::string> PathSelection::Missing() const {
  std::vector<std::string> missing;
  for (const auto& [path, mark] : marks_)
    if (mark.named && !path.empty() && !mark.seen.load(std::memory_order_relaxed)) missing.emplace_back(path);
  std::ranges::sort(missing);
  return missing;
}

}  // namespace quire
