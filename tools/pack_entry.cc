// SPDX-License-Identifier: Apache-2.0
#include "tools/pack_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <ranges>
#include <utility>
#include <vector>

namespace quire {

Result<PackEntry> ReadEntry(const Index& index, NodeNumber number) {
  const auto own = index.GetNode(number);
  if (!own) return std::unexpected(own.error());
  const auto name = index.GetName(*own);
  if (!name) return std::unexpected(name.error());
  PackEntry entry{.name = *name, .number = number, .node = *own};
  if (own->kind == NodeKind::kHardLink) {
    const auto linked = index.GetLinkedNode(number, *own);
    if (!linked) return std::unexpected(linked.error());
    entry.number = own->content;
    entry.node = *linked;
  }
  return entry;
}

Error PathTooLong(NodeNumber number) {
  return Corrupt("node {}: its path is longer than {} bytes", number, kMaxPathBytes).error();
}

void ForEachEntry(const Index& index, const Node& node, const std::string& path, Depth depth,
                  const EntryVisitor& visitor) {
  assert(node.kind == NodeKind::kDirectory);
  std::vector<std::pair<Node, std::string>> pending = {{node, path}};  // the next one last
  while (!pending.empty()) {
    const auto [folder, folder_path] = std::move(pending.back());
    pending.pop_back();
    visitor.begin_directory(folder_path);
    const auto directory = index.GetDirectory(folder.content);
    if (!directory) {
      visitor.on_fault(directory.error());
      continue;
    }
    const size_t pending_before = pending.size();
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index.GetChild(*directory, i);
      const auto entry = child ? ReadEntry(index, *child) : std::unexpected(child.error());
      if (!entry) {
        visitor.on_fault(entry.error());
        continue;
      }
      std::string entry_path = JoinPath(folder_path, entry->name);
      if (entry_path.size() > kMaxPathBytes) {
        visitor.on_fault(PathTooLong(*child));
        continue;
      }
      visitor.visit(*entry, entry_path);
      if (depth == Depth::kAll && entry->node.kind == NodeKind::kDirectory)
        pending.emplace_back(entry->node, std::move(entry_path));
    }
    std::ranges::reverse(pending | std::views::drop(pending_before));
  }
}

const char* KindName(NodeKind kind) {
  if (kind == NodeKind::kDirectory) return "directory";
  return kind == NodeKind::kSymlink ? "symlink" : "file";
}

std::string FormatMode(NodeKind kind, uint32_t mode) {
  const char letter = kind == NodeKind::kDirectory ? 'd' : kind == NodeKind::kSymlink ? 'l' : '-';
  std::string text(1, letter);
  for (int shift = 6; shift >= 0; shift -= 3)
    for (int bit = 2; bit >= 0; --bit) text += (mode >> (shift + bit) & 1U) != 0 ? "xwr"[bit] : '-';
  const auto mark = [&](uint32_t flag, size_t at, char with_x, char without_x) {
    if ((mode & flag) != 0) text[at] = text[at] == 'x' ? with_x : without_x;
  };
  mark(04000, 3, 's', 'S');
  mark(02000, 6, 's', 'S');
  mark(01000, 9, 't', 'T');
  return text;
}

std::string FormatTime(const timespec& time) {
  struct tm utc{};
  gmtime_r(&time.tv_sec, &utc);
  std::array<char, 32> text = {};
  strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:09}Z", text.data(), time.tv_nsec);
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

}  // namespace quire
