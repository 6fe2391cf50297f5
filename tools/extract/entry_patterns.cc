// SPDX-License-Identifier: Apache-2.0
#include "tools/extract/entry_patterns.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "format/pack/path_resolver.h"
#include "format/path_names.h"
#include "tools/progress.h"

namespace quire {
namespace {

constexpr std::string_view kWildcards = "*?[\\";
constexpr std::string_view kAnyFolders = "**";

bool IsPattern(std::string_view text) { return text.find_first_of(kWildcards) != text.npos; }

// The child of the folder `parent` that is called `name`; empty where there is none, or `parent` is no folder.
Result<std::optional<NodeNumber>> FindChild(const Index& index, NodeNumber parent, std::string_view name) {
  const auto node = index.GetNode(parent);
  if (!node) return std::unexpected(node.error());
  if (node->kind != NodeKind::kDirectory) return std::nullopt;
  const auto directory = index.GetDirectory(node->content);
  if (!directory) return std::unexpected(directory.error());
  return index.Lookup(*directory, name);
}

// ResolvePath, but for the last name, which is not resolved where it is a hard link.
Result<NodeNumber> FindPath(const Index& index, const std::string& path) {
  auto resolved = ResolvePath(index, path, LastSymlink::kKeep);
  const auto names = SplitPath(path);
  if (!resolved || names.empty() || names.back() == "." || names.back() == "..") return resolved;
  const size_t last = path.rfind(names.back());
  const auto parent = ResolvePath(index, path.substr(0, last), LastSymlink::kFollow);
  if (!parent) return parent;
  const auto child = FindChild(index, *parent, names.back());
  if (!child) return std::unexpected(child.error());
  return child->value_or(*resolved);
}

class PatternWalk {
 public:
  PatternWalk(const Index& index, std::vector<std::string> pattern) : index_(index), pattern_(std::move(pattern)) {}

  // Walks from `top` by the names of the pattern from number `first` on.
  Result<std::vector<NodeNumber>> Run(NodeNumber top, size_t first) {
    Enter(top, first);
    while (!ahead_.empty()) {
      const auto [number, at] = ahead_.back();
      ahead_.pop_back();
      if (auto stepped = Step(number, at); !stepped) return Propagate(std::move(stepped));
    }
    return std::vector<NodeNumber>(found_.begin(), found_.end());
  }

 private:
  // `number` matches all names before number `at`.
  void Enter(NodeNumber number, size_t at) {
    if (at == pattern_.size())
      found_.insert(number);
    else if (entered_.emplace(number, at).second)
      ahead_.emplace_back(number, at);
  }

  Result<void> Step(NodeNumber number, size_t at) {
    const std::string& wanted = pattern_[at];
    if (!IsPattern(wanted)) {
      const auto child = FindChild(index_, number, wanted);
      if (!child) return std::unexpected(child.error());
      if (*child) Enter(**child, at + 1);
      return {};
    }
    const auto node = index_.GetNode(number);
    if (!node) return std::unexpected(node.error());
    const bool any_folders = wanted == kAnyFolders;
    if (any_folders) Enter(number, at + 1);
    if (node->kind != NodeKind::kDirectory || (any_folders && at + 1 == pattern_.size())) return {};
    const auto directory = index_.GetDirectory(node->content);
    if (!directory) return std::unexpected(directory.error());
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index_.GetChild(*directory, i);
      const auto child_node = child ? index_.GetNode(*child) : std::unexpected(child.error());
      if (!child_node) return std::unexpected(child_node.error());
      if (any_folders) {
        if (child_node->kind == NodeKind::kDirectory) Enter(*child, at);
        continue;
      }
      const auto name = index_.GetName(*child_node);
      if (!name) return std::unexpected(name.error());
      if (fnmatch(wanted.c_str(), std::string(*name).c_str(), 0) == 0) Enter(*child, at + 1);
    }
    return {};
  }

  const Index& index_;
  const std::vector<std::string> pattern_;
  std::vector<std::pair<NodeNumber, size_t>> ahead_;
  std::set<std::pair<NodeNumber, size_t>> entered_;  // '**' comes to one folder in several ways
  std::set<NodeNumber> found_;
};

}  // namespace

Result<std::vector<NodeNumber>> FindEntries(const Index& index, const std::string& path) {
  const auto literal = FindPath(index, path);
  if (literal) return std::vector{*literal};
  if (literal.error().code != ErrorCode::kNotFound || !IsPattern(path)) return std::unexpected(literal.error());
  auto names = SplitPath(path);
  size_t first = 0;
  std::string folder;
  for (; !IsPattern(names[first]); ++first) folder += names[first] + "/";
  const auto top = ResolvePath(index, folder, LastSymlink::kFollow);
  if (!top) return std::unexpected(top.error());
  auto found = PatternWalk(index, std::move(names)).Run(*top, first);
  if (found && found->empty())
    return MakeError(ErrorCode::kNotFound, "'{}': nothing in the pack matches; `quire ls -R` shows what is there",
                     EscapeName(path));
  return found;
}

}  // namespace quire
