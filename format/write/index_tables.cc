// SPDX-License-Identifier: Apache-2.0
#include "format/write/index_tables.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "format/checksum.h"
#include "format/coding.h"
#include "format/pack/entry_path.h"

namespace quire {

IndexTables::IndexTables(const std::string& spool_folder)
    : directories(spool_folder),
      nodes(spool_folder),
      extents(spool_folder),
      segments(spool_folder),
      names(spool_folder),
      xattrs(spool_folder),
      coded_members(spool_folder),
      replaced(spool_folder) {}

void IndexTables::LetGo() const {
  directories.LetGo();
  nodes.LetGo();
  extents.LetGo();
  segments.LetGo();
  names.LetGo();
  xattrs.LetGo();
  coded_members.LetGo();
  replaced.LetGo();
}

size_t IndexTables::AttributesHash::operator()(const Attributes& key) const {
  std::array<std::byte, 32> record = {};
  Encode(key, record);
  return Xxh3(record);
}

Result<uint32_t> IndexTables::InternAttributes(const Attributes& wanted) {
  if (const auto found = attribute_numbers_.find(wanted); found != attribute_numbers_.end()) return found->second;
  if (attributes.size() == std::numeric_limits<uint32_t>::max())
    return Unsupported("more than 2^32 distinct combinations of mode, owner, links and extended attributes");
  attributes.push_back(wanted);
  const auto number = static_cast<uint32_t>(attributes.size() - 1);
  attribute_numbers_.emplace(wanted, number);
  return number;
}

Result<void> IndexTables::SetLinks(NodeNumber number, uint32_t nlink) {
  assert(nodes[number].kind != NodeKind::kHardLink);
  Attributes changed = attributes[nodes[number].attributes];
  changed.nlink = nlink;
  const auto interned = InternAttributes(changed);
  if (!interned) return std::unexpected(interned.error());
  nodes[number].attributes = *interned;
  return {};
}

Result<void> IndexTables::InternXattrs(std::string_view list, Attributes& into) {
  if (list.empty()) return {};
  const uint64_t sum = Xxh3(AsBytes(list));
  const auto [begin, end] = xattr_lists_.equal_range(sum);
  const auto same = std::find_if(begin, end, [&](const auto& entry) {
    const auto [offset, bytes] = entry.second;
    return std::string_view(xattrs.span().data() + offset, bytes) == list;
  });
  if (same != end) {
    std::tie(into.xattr_offset, into.xattr_bytes) = same->second;
    return {};
  }
  into.xattr_offset = xattrs.size();
  into.xattr_bytes = static_cast<uint32_t>(list.size());
  xattr_lists_.emplace(sum, std::pair(into.xattr_offset, into.xattr_bytes));
  return xattrs.Append(std::span(list));
}

Result<uint64_t> IndexTables::AddText(std::string_view text) {
  const uint64_t offset = names.size();
  if (offset + text.size() > kMaxRecords) return Unsupported("more than 2^40 bytes of names");
  if (auto added = names.Append(std::span(text)); !added) return Propagate(std::move(added));
  return offset;
}

Result<NodeNumber> IndexTables::AddNode(Node node, std::string_view name) {
  if (nodes.size() >= kMaxRecords) return Unsupported("more than 2^40 entries");
  const auto offset = AddText(name);
  if (!offset) return std::unexpected(offset.error());
  node.name_offset = *offset;
  node.name_bytes = static_cast<uint8_t>(name.size());
  if (auto added = nodes.Append(node); !added) return Propagate(std::move(added));
  return nodes.size() - 1;
}

const Directory& IndexTables::ParentOf(NodeNumber number) const {
  assert(number > 0);
  const auto all = directories.span();
  // Directories that are still to be filled have no first child, and stand at the end.
  const auto filled = std::ranges::partition_point(all, [](const Directory& d) { return d.first_child != 0; });
  const auto behind = std::ranges::upper_bound(all.begin(), filled, number, {}, &Directory::first_child);
  return *std::prev(behind);
}

std::string IndexTables::PathOf(NodeNumber number) const {
  std::vector<std::string_view> upwards;
  for (; number != 0; number = ParentOf(number).node) upwards.push_back(NameOf(nodes[number]));
  return JoinUpwards(upwards);
}

std::vector<NodeNumber> IndexTables::HardLinksTo(const std::vector<NodeNumber>& samples) const {
  std::vector<NodeNumber> links;
  if (samples.empty()) return links;
  for (NodeNumber number = 0; number < nodes.size(); ++number)
    if (nodes[number].kind == NodeKind::kHardLink && std::ranges::binary_search(samples, nodes[number].content))
      links.push_back(number);
  return links;
}

std::vector<uint64_t> IndexTables::SegmentsOf(const std::vector<NodeNumber>& samples) const {
  std::vector<uint64_t> numbers;
  for (const NodeNumber number : samples) {
    const Node& node = nodes[number];
    if (node.kind != NodeKind::kSegmented || node.content == kMaxRecords) continue;
    for (uint64_t i = 0; i <= segments[node.content].following; ++i) numbers.push_back(node.content + i);
  }
  std::ranges::sort(numbers);  // several samples may have the same content
  const auto repeated = std::ranges::unique(numbers);
  numbers.erase(repeated.begin(), repeated.end());
  return numbers;
}

void IndexTables::RemoveNodes(const std::vector<NodeNumber>& removed) {
  if (removed.empty()) return;
  // Takes those numbers out of `table`, which closes up.
  const auto erase = [](const std::vector<uint64_t>& gone, auto& table) {
    auto next = gone.begin();
    uint64_t kept = 0;
    for (uint64_t number = 0; number < table.size(); ++number) {
      if (next != gone.end() && *next == number)
        ++next;
      else
        table[kept++] = table[number];
    }
    table.Truncate(kept);
  };
  const std::vector<uint64_t> removed_segments = SegmentsOf(removed);
  std::vector<ExtentNumber> removed_extents;
  for (ExtentNumber number = 0; number < extents.size(); ++number)
    if (std::ranges::binary_search(removed, extents[number].node)) removed_extents.push_back(number);
  erase(removed_extents, extents);
  erase(removed_segments, segments);

  const auto closed_up = [](const std::vector<uint64_t>& gone, uint64_t number) {
    return number - static_cast<uint64_t>(std::ranges::lower_bound(gone, number) - gone.begin());
  };
  for (ExtentNumber number = 0; number < extents.size(); ++number)
    extents[number].node = closed_up(removed, extents[number].node);
  for (uint64_t number = 0; number < segments.size(); ++number)
    segments[number].first_extent = closed_up(removed_extents, segments[number].first_extent);
  for (uint64_t number = 0; number < directories.size(); ++number) {
    Directory& directory = directories[number];
    const NodeNumber end = closed_up(removed, directory.first_child + directory.child_count);
    directory.first_child = closed_up(removed, directory.first_child);
    directory.child_count = end - directory.first_child;
    directory.node = closed_up(removed, directory.node);
  }
  erase(removed, nodes);
  for (NodeNumber number = 0; number < nodes.size(); ++number) {
    Node& node = nodes[number];
    if (node.kind == NodeKind::kHardLink) node.content = closed_up(removed, node.content);
    if (node.kind == NodeKind::kFile && node.size_bytes > 0) node.content = closed_up(removed_extents, node.content);
    if (node.kind == NodeKind::kSegmented && node.content != kMaxRecords)
      node.content = closed_up(removed_segments, node.content);
  }
}

std::string EncodeXattr(std::string_view name, std::string_view value) {
  std::string record(kXattrHeaderBytes, '\0');
  const auto bytes = std::as_writable_bytes(std::span(record));
  StoreUint<1>(bytes, 0, name.size());
  StoreUint<4>(bytes, 1, value.size());
  return record.append(name).append(value);
}

}  // namespace quire
