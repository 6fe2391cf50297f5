// SPDX-License-Identifier: Apache-2.0
#include "tools/export/archive_members.h"

#include <algorithm>
#include <string>
#include <utility>

#include "format/import/tar_header.h"
#include "format/pack/sample_content.h"
#include "format/rounding.h"

namespace quire {
namespace {

// Of a folder that comes again: its owner can fill it, and folders that are made in it meanwhile do not inherit the
// set-group-ID bit, which tar(1) does not take away where it takes a mode for what it is.
constexpr uint32_t UnfinishedMode(uint32_t mode) { return (mode & 0777) | 0700; }

Result<std::string> PathIn(const Index& index, NodeNumber place, ExportForm form) {
  auto path = index.GetPath(place);
  if (!path || form == ExportForm::kWebDataset) return path;
  return path->empty() ? "." : "./" + *path;
}

MemberKind KindOf(NodeKind kind) {
  switch (kind) {
    case NodeKind::kDirectory:
      return MemberKind::kDirectory;
    case NodeKind::kSymlink:
      return MemberKind::kSymlink;
    default:
      return MemberKind::kFile;
  }
}

Result<void> DescribeSample(const Index& index, const Node& node, const ExportStyle& style, TarMember& described) {
  described.size_bytes = node.size_bytes;
  const auto keeps_holes = KeepsHoles(index, node, style);
  if (!keeps_holes) return std::unexpected(keeps_holes.error());
  if (!*keeps_holes) return {};
  auto ranges = StoredRanges(index, node, true, 0, node.size_bytes);
  if (!ranges) return Propagate(std::move(ranges));
  const bool is_dense = *ranges == std::vector<TarRange>{{.file_offset = 0, .length_bytes = node.size_bytes}};
  if (is_dense) return {};
  described.is_sparse = true;
  described.data = *std::move(ranges);
  return {};
}

}  // namespace

Result<Node> GetContent(const Index& index, NodeNumber place) {
  auto node = index.GetNode(place);
  if (!node || node->kind != NodeKind::kHardLink) return node;
  return index.GetLinkedNode(place, *node);
}

Result<bool> KeepsHoles(const Index& index, const Node& node, const ExportStyle& style) {
  if (node.kind != NodeKind::kSegmented || style.form == ExportForm::kWebDataset) return false;
  const auto stored = GetStoredBytes(index, node);
  if (!stored) return std::unexpected(stored.error());
  return *stored < node.size_bytes;
}

Result<std::vector<TarRange>> StoredRanges(const Index& index, const Node& node, bool has_holes, uint64_t from,
                                           uint64_t to) {
  std::vector<TarRange> ranges;
  if (!has_holes || node.kind == NodeKind::kFile) {
    if (from < to) ranges.push_back({.file_offset = from, .length_bytes = to - from});
    return ranges;
  }
  for (uint64_t at = from; at < to;) {
    const auto run = FindRun(index, node, at);
    if (!run) return std::unexpected(run.error());
    if (run->extent) {
      const uint64_t end = std::min(AlignUp(at + run->length_bytes, kTarBlockBytes), to);
      const uint64_t begin = AlignDown(at, kTarBlockBytes);
      const uint64_t last_end = ranges.empty() ? 0 : ranges.back().file_offset + ranges.back().length_bytes;
      if (!ranges.empty() && begin <= last_end)
        ranges.back().length_bytes = end - ranges.back().file_offset;
      else
        ranges.push_back({.file_offset = begin, .length_bytes = end - begin});
    }
    at += run->length_bytes;
  }
  return ranges;
}

Result<TarMember> DescribeMember(const Index& index, const ExportMember& member, const ExportStyle& style) {
  const auto node = GetContent(index, member.place);
  if (!node) return std::unexpected(node.error());
  const auto attributes = index.GetAttributes(node->attributes);
  if (!attributes) return std::unexpected(attributes.error());
  auto path = PathIn(index, member.place, style.form);
  if (!path) return Propagate(std::move(path));
  TarMember described{.kind = member.first ? MemberKind::kHardLink : KindOf(node->kind),
                      .path = *std::move(path),
                      .mode = member.is_unfinished ? UnfinishedMode(attributes->mode) : attributes->mode,
                      .uid = attributes->uid,
                      .gid = attributes->gid,
                      .mtime = DecodeMtime(node->mtime)};
  const bool is_exact = style.form == ExportForm::kTar && style.format == TarFormat::kPax;
  if (!is_exact) described.mtime.tv_nsec = 0;
  if (member.first) {
    auto target = PathIn(index, *member.first, style.form);
    if (!target) return Propagate(std::move(target));
    described.target = *std::move(target);
    return described;
  }
  if (node->kind == NodeKind::kSymlink) {
    const auto target = index.GetTarget(*node);
    if (!target) return std::unexpected(target.error());
    described.target = *target;
  }
  if (is_exact && attributes->xattr_bytes > 0) {
    auto listed = index.ForEachXattr(*attributes, [&](const Xattr& xattr) {
      described.xattrs.push_back(xattr);
      return true;
    });
    if (!listed) return Propagate(std::move(listed));
  }
  if (node->is_sample())
    if (auto sized = DescribeSample(index, *node, style, described); !sized) return Propagate(std::move(sized));
  return described;
}

}  // namespace quire
