// SPDX-License-Identifier: Apache-2.0
#include "format/write/packed_entry.h"

#include <map>
#include <utility>

#include "format/coding.h"
#include "format/write/index_tables.h"

namespace quire {
namespace {

constexpr uint64_t kMostValueBytes = 64 << 10;  // of an extended attribute: FORMAT.md, Limits

Result<std::string> CopyXattrs(const Index& index, const Attributes& attributes) {
  std::map<std::string_view, std::string_view> values;
  bool are_short = true;
  auto visited = index.ForEachXattr(attributes, [&](const Xattr& xattr) {
    values.emplace(xattr.name, AsText(xattr.value));
    return are_short = xattr.value.size() <= kMostValueBytes;
  });
  if (!visited) return Propagate(std::move(visited));
  if (!are_short) return Corrupt("an extended attribute of more than {} bytes", kMostValueBytes);
  std::string list;
  for (const auto& [name, value] : values) list += EncodeXattr(name, value);
  return list;
}

}  // namespace

Result<PackedEntry> DescribeEntry(const Index& index, const Node& node) {
  const auto attributes = index.GetAttributes(node.attributes);
  if (!attributes) return std::unexpected(attributes.error());
  PackedEntry entry{.attributes = *attributes, .xattrs = {}, .target = {}};
  if (node.kind == NodeKind::kSymlink) {  // which has no attributes of user.*
    const auto target = index.GetTarget(node);
    if (!target) return std::unexpected(target.error());
    entry.target = *target;
    return entry;
  }
  auto xattrs = CopyXattrs(index, *attributes);
  if (!xattrs) return Propagate(std::move(xattrs));
  entry.xattrs = *std::move(xattrs);
  return entry;
}

}  // namespace quire
