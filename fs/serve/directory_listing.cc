// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/directory_listing.h"

#include <utility>

#include "fs/serve/attributes.h"

namespace quire {
namespace {

// Cookies: 0 is ".", 1 is "..", the rest count the children.
constexpr uint64_t kDots = 2;
// In a cookie: an entry before it could not be read. No directory has as many children.
constexpr uint64_t kIncomplete = uint64_t{1} << 62;

Result<ListedEntry> ReadEntry(const Index& index, NodeNumber number) {
  auto node = index.GetNode(number);
  if (!node) return Propagate(std::move(node));
  auto name = index.GetName(*node);
  if (!name) return Propagate(std::move(name));
  if (node->kind != NodeKind::kHardLink) return ListedEntry{*name, number, TypeOf(node->kind), *node};
  const auto target = index.GetLinkedNode(number, *node);
  if (!target) return ListedEntry{*name, number};
  return ListedEntry{*name, node->content, TypeOf(target->kind), *target};
}

}  // namespace

Result<Omissions> ListDirectory(const Index& index, NodeNumber directory, size_t layers, uint64_t cookie,
                                const std::function<bool(const ListedEntry&)>& visit) {
  auto node = index.GetNodeOf(layers, directory);
  if (!node) return Propagate(std::move(node));
  if (node->kind != NodeKind::kDirectory) return Corrupt("node {}: listed, but no directory", directory);
  auto record = index.GetDirectory(node->content);
  if (!record) return Propagate(std::move(record));

  Omissions omissions;
  uint64_t mark = cookie & kIncomplete;
  cookie &= ~kIncomplete;
  if (cookie == 0) {
    if (!visit({".", directory, S_IFDIR, std::nullopt, 1})) return omissions;
    cookie = 1;
  }
  if (cookie == 1) {
    // The kernel knows the parent by itself: a wrong inode here is seen only by those who print it.
    if (!visit({"..", index.GetParent(directory).value_or(0), S_IFDIR, std::nullopt, kDots})) return omissions;
    cookie = kDots;
  }
  bool is_at_end = true;
  for (uint64_t child = cookie - kDots; child < record->child_count; ++child) {
    const auto number = index.GetChild(*record, child);
    auto entry = number ? ReadEntry(index, *number) : std::unexpected(number.error());
    if (!entry) {
      if (entry.error().code == ErrorCode::kSystem) mark = kIncomplete;
      if (omissions.count++ == 0) omissions.first = std::move(entry).error();
      continue;
    }
    is_at_end = false;
    entry->next_cookie = mark | (kDots + child + 1);
    if (!visit(*entry)) break;
  }
  if (is_at_end && mark != 0)
    return MakeError(ErrorCode::kSystem, "the listing ends without entries that could not be read: {}",
                     omissions.first ? omissions.first->message : "they are told above");
  return omissions;
}

}  // namespace quire
