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
  const uint64_t made_bytes = file.made ? tables_.extents[*file.made].length_bytes : 0;
  if (file.made && made_bytes == file.size_bytes) {
    node.kind = NodeKind::kFile;
    node.content = *file.made;
    return true;
  }
  if ((file.runs.empty() && !file.made) || file.codec != Codec::kStored) return true;
  if (file.runs.size() == 1 && file.runs[0].length_bytes == file.size_bytes && !CrossesPage(file.runs[0])) {
    node.kind = NodeKind::kFile;
    node.content = tables_.extents.size();
    if (auto added = AddRun(file, file.runs[0], /*is_segment=*/false); !added) return Propagate(std::move(added));
    return true;
  }
  const uint64_t first_segment = tables_.segments.size();
  node.content = first_segment;
  if (file.made)
    if (auto added =
            tables_.segments.Append({.file_offset = 0, .length_bytes = made_bytes, .first_extent = *file.made});
        !added)
      return Propagate(std::move(added));
  for (const MemberRun& run : file.runs)
    if (auto added = AddSegment(file, run); !added) return Propagate(std::move(added));
  for (uint64_t i = first_segment; i < tables_.segments.size(); ++i)
    tables_.segments[i].following = tables_.segments.size() - 1 - i;
  return true;
}

Result<void> ExtentCutter::AddDecoded(const MemberTree::Content& file) {
  if (file.volume != decoded_from_) {
    if (tables_.volumes.size() > UINT16_MAX - 1)
      return Unsupported("more than {} archives with and without deflated members", UINT16_MAX - 1);
    const Volume& base = tables_.volumes[file.volume];
    tables_.volumes.push_back({.kind = VolumeKind::kDecoded, .sum_kind = base.sum_kind, .base = file.volume});
    decoded_from_ = file.volume;
    places_ = kNoPlaces;
  }
  const MemberRun& stored = file.runs.front();
  const MemberRun decoded{.offset = places_.Take(file.size_bytes), .length_bytes = file.size_bytes};
  const auto volume = static_cast<uint16_t>(tables_.volumes.size() - 1);
  tables_.volumes.back().data_end = decoded.offset + decoded.length_bytes;
  if (tables_.volumes.back().data_end > kMaxVolumeBytes)
    return Unsupported("the deflated members of an archive have more than {} bytes", kMaxVolumeBytes);
  if (auto added = tables_.coded_members.Append({.offset = decoded.offset,
                                                 .volume = volume,
                                                 .codec = file.codec,
                                                 .size_bytes = file.size_bytes,
                                                 .stored_offset = stored.offset,
                                                 .stored_bytes = stored.length_bytes,
                                                 .sum = static_cast<uint32_t>(file.crc32)});
      !added)
    return added;
  Node& node = tables_.nodes[file.node];
  const bool is_long = file.size_bytes > kPageBytes;
  node.kind = is_long ? NodeKind::kSegmented : NodeKind::kFile;
  node.content = is_long ? tables_.segments.size() : tables_.extents.size();
  MemberTree::Content in_decoded = file;
  in_decoded.volume = volume;
  return AddRun(in_decoded, decoded, is_long);
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
