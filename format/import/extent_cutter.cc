// SPDX-License-Identifier: Apache-2.0
#include "format/import/extent_cutter.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quire {
namespace {

bool CrossesPage(const MemberRun& run) { return run.offset % kPageBytes + run.length_bytes > kPageBytes; }

}  // namespace

Result<bool> ExtentCutter::Add(const MemberTree::Content& file) {
  Node& node = tables_.nodes[file.node];
  node.kind = NodeKind::kSegmented;
  node.content = kMaxRecords;
  if (file.volume != volume_) end_ = 0;
  volume_ = file.volume;
  uint64_t end = end_;
  for (const MemberRun& run : file.runs) {
    assert(run.length_bytes > 0);
    if (run.offset < end) return false;
    end = run.offset + run.length_bytes;
  }
  end_ = end;
  if (file.runs.empty()) return true;
  const MemberRun& first = file.runs.front();
  if (file.runs.size() == 1 && first.length_bytes == file.size_bytes && !CrossesPage(first)) {
    node.kind = NodeKind::kFile;
    node.content = tables_.extents.size();
    if (auto added = AddRun(file, first, /*is_segment=*/false); !added) return Propagate(std::move(added));
    return true;
  }
  const uint64_t first_segment = tables_.segments.size();
  node.content = first_segment;
  for (const MemberRun& run : file.runs)
    if (auto added = AddSegment(file, run); !added) return Propagate(std::move(added));
  for (uint64_t i = first_segment; i < tables_.segments.size(); ++i)
    tables_.segments[i].following = tables_.segments.size() - 1 - i;
  return true;
}

// The extents of a segment hold 2 MiB each, from its first byte on: what stands in front of a page of the volume is a
// segment of its own.
Result<void> ExtentCutter::AddSegment(const MemberTree::Content& file, const MemberRun& run) {
  MemberRun head = run;
  if (CrossesPage(run) && run.offset % kPageBytes != 0) head.length_bytes = kPageBytes - run.offset % kPageBytes;
  if (auto added = AddRun(file, head, /*is_segment=*/true); !added) return added;
  const MemberRun rest{.file_offset = run.file_offset + head.length_bytes,
                       .offset = run.offset + head.length_bytes,
                       .length_bytes = run.length_bytes - head.length_bytes};
  return rest.length_bytes == 0 ? Result<void>() : AddRun(file, rest, /*is_segment=*/true);
}

Result<void> ExtentCutter::AddRun(const MemberTree::Content& file, const MemberRun& run, bool is_segment) {
  if (is_segment)
    if (auto added = tables_.segments.Append(
            {.file_offset = run.file_offset, .length_bytes = run.length_bytes, .first_extent = tables_.extents.size()});
        !added)
      return added;
  const bool has_crc32 = tables_.volumes[file.volume].sum_kind == SumKind::kCrc32;
  for (uint64_t at = 0; at < run.length_bytes; at += kPageBytes)
    if (auto added =
            tables_.extents.Append({.offset = run.offset + at,
                                    .volume = file.volume,
                                    .length_bytes = static_cast<uint32_t>(std::min(kPageBytes, run.length_bytes - at)),
                                    .node = file.node,
                                    .sum = !has_crc32   ? 0
                                           : is_segment ? kUnknownCrc32
                                                        : file.crc32});
        !added)
      return added;
  return {};
}

}  // namespace quire
