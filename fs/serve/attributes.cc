// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/attributes.h"

#include <cassert>
#include <utility>

#include "format/pack/sample_content.h"
#include "format/rounding.h"

namespace quire {
namespace {

constexpr blksize_t kBlockSize = 4096;     // what the kernel caches in: smaller reads are not cheaper
constexpr uint64_t kStatBlockBytes = 512;  // of st_blocks, whatever st_blksize says
constexpr mode_t kAllPermissions = 0777;

mode_t ModeOf(NodeKind kind, mode_t packed, const AttributeOverrides& overrides) {
  if (kind == NodeKind::kSymlink) return packed;
  const auto& mask = kind == NodeKind::kDirectory ? overrides.directory_mask : overrides.file_mask;
  return mask ? kAllPermissions & ~*mask : packed;
}

// A file of more holes than that is told with the blocks of its front only. Each entry of a listing is asked for its
// blocks, and in a hostile pack all may have one list of a hundred million segments.
constexpr uint64_t kMostSegmentsCounted = 65'536;

}  // namespace

mode_t TypeOf(NodeKind kind) {
  assert(kind != NodeKind::kHardLink);
  switch (kind) {
    case NodeKind::kDirectory:
      return S_IFDIR;
    case NodeKind::kSymlink:
      return S_IFLNK;
    default:
      return S_IFREG;
  }
}

Result<struct stat> GetStat(const Index& index, NodeNumber number, const AttributeOverrides& overrides) {
  auto node = index.GetNode(number);
  if (!node) return Propagate(std::move(node));
  if (node->kind == NodeKind::kHardLink) return Corrupt("node {}: a hard link to a hard link", number);
  return GetStat(index, *node, overrides);
}

Result<struct stat> GetStat(const Index& index, const Node& node, const AttributeOverrides& overrides) {
  auto attributes = index.GetAttributes(node.attributes);
  if (!attributes) return Propagate(std::move(attributes));
  uint64_t stored_bytes = node.kind == NodeKind::kFile ? node.size_bytes : 0;
  if (node.kind == NodeKind::kSegmented) {
    uint64_t left = kMostSegmentsCounted;
    auto counted = ForEachSegment(index, node, [&](uint64_t /*number*/, const Segment& segment) {
      stored_bytes += segment.length_bytes;
      return --left > 0;
    });
    if (!counted) return Propagate(std::move(counted));
  }
  struct stat status = {};
  status.st_mode = TypeOf(node.kind) | ModeOf(node.kind, attributes->mode, overrides);
  status.st_nlink = attributes->nlink;
  status.st_uid = overrides.uid.value_or(attributes->uid);
  status.st_gid = overrides.gid.value_or(attributes->gid);
  status.st_size = static_cast<off_t>(node.size_bytes);
  status.st_blksize = kBlockSize;
  status.st_blocks = static_cast<blkcnt_t>(CeilDiv(stored_bytes, kStatBlockBytes));
  status.st_mtim = DecodeMtime(node.mtime);
  status.st_atim = status.st_mtim;  // nothing that is mounted read-only is touched, and the pack keeps no other time
  status.st_ctim = status.st_mtim;
  return status;
}

}  // namespace quire
