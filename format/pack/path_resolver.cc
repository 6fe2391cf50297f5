// SPDX-License-Identifier: Apache-2.0
#include "format/pack/path_resolver.h"

#include <algorithm>
#include <string>

namespace quire {
namespace {

constexpr int kMaxSymlinks = 40;  // as Linux: path_resolution(7)

}  // namespace

Result<NodeNumber> ResolvePath(const Index& index, std::string_view path, LastSymlink last, NodeNumber root) {
  std::string whole(path);  // with the targets of symlinks in their places
  size_t at = 0;            // what stands before it has been walked
  NodeNumber number = root;
  int symlinks = 0;
  while (true) {
    at = std::min(whole.find_first_not_of('/', at), whole.size());
    if (at == whole.size()) return number;
    const size_t end = std::min(whole.find('/', at), whole.size());
    const std::string name = whole.substr(at, end - at);
    at = end;

    const auto node = index.GetNode(number);
    if (!node) return std::unexpected(node.error());
    if (node->kind != NodeKind::kDirectory)
      return MakeError(ErrorCode::kNotFound, "'{}': what '{}' is looked up in is not a directory", path, name);
    if (name == ".") continue;
    if (name == "..") {
      if (number == root) continue;
      const auto parent = index.GetParent(number);
      if (!parent) return parent;
      number = *parent;
      continue;
    }
    const auto directory = index.GetDirectory(node->content);
    if (!directory) return std::unexpected(directory.error());
    const auto child = index.Lookup(*directory, name);
    if (!child) return std::unexpected(child.error());
    if (!*child)
      return MakeError(ErrorCode::kNotFound, "'{}' is not in the pack{}; `quire ls` shows what is there", path,
                       name == path ? "" : fmt::format(": there is no '{}'", name));
    const auto resolved = index.Resolve(**child);
    if (!resolved) return resolved;
    const auto found = index.GetNode(*resolved);
    if (!found) return std::unexpected(found.error());
    if (found->kind != NodeKind::kSymlink || (at == whole.size() && last == LastSymlink::kKeep)) {
      number = *resolved;
      continue;
    }
    const auto target = index.GetTarget(*found);
    if (!target) return std::unexpected(target.error());
    if (target->starts_with('/'))
      return MakeError(ErrorCode::kNotFound, "'{}': '{}' is a symlink out of the pack, to '{}'", path, name, *target);
    if (++symlinks > kMaxSymlinks)
      return MakeError(ErrorCode::kNotFound, "'{}': more than {} symlinks on the way", path, kMaxSymlinks);
    whole.replace(0, at, *target);
    at = 0;
  }
}

}  // namespace quire
