// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/extended_attributes.h"

#include <functional>
#include <utility>

namespace quire {
namespace {

Result<void> ForEach(const Index& index, NodeNumber number, const std::function<bool(const Xattr&)>& visit) {
  auto node = index.GetNode(number);
  if (!node) return Propagate(std::move(node));
  auto attributes = index.GetAttributes(node->attributes);
  if (!attributes) return Propagate(std::move(attributes));
  return index.ForEachXattr(*attributes, visit);
}

}  // namespace

Result<std::optional<std::span<const std::byte>>> FindXattr(const Index& index, NodeNumber number,
                                                            std::string_view name) {
  std::optional<std::span<const std::byte>> found;
  auto visited = ForEach(index, number, [&](const Xattr& xattr) {
    if (xattr.name == name) found = xattr.value;
    return !found;
  });
  if (!visited) return Propagate(std::move(visited));
  return found;
}

Result<std::string> ListXattrNames(const Index& index, NodeNumber number) {
  std::string names;
  auto visited = ForEach(index, number, [&](const Xattr& xattr) {
    names.append(xattr.name).push_back('\0');
    return true;
  });
  if (!visited) return Propagate(std::move(visited));
  return names;
}

}  // namespace quire
