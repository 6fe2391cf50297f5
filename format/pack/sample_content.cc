// SPDX-License-Identifier: Apache-2.0
#include "format/pack/sample_content.h"

#include <algorithm>
#include <cassert>

#include "format/pack/record_search.h"
#include "format/rounding.h"

namespace quire {
namespace {

// One that lies within its sample.
Result<Segment> GetSegmentOf(const Index& index, const Node& node, uint64_t number) {
  auto segment = index.GetSegment(number);
  if (segment &&
      (segment->length_bytes > node.size_bytes || segment->file_offset > node.size_bytes - segment->length_bytes))
    return Corrupt("segment {}: ends behind its sample of {} bytes", number, node.size_bytes);
  return segment;
}

// From byte `skip` of an extent of the sample, of which the sample says that it has `expected_bytes`.
Result<ContentRun> RunInExtent(const Index& index, uint64_t file_offset, ExtentNumber number, uint64_t expected_bytes,
                               uint64_t skip) {
  const auto extent = index.GetExtent(number);
  if (!extent) return std::unexpected(extent.error());
  if (extent->length_bytes != expected_bytes)
    return Corrupt("extent {}: {} bytes, its sample says {}", number, extent->length_bytes, expected_bytes);
  return ContentRun{.file_offset = file_offset,
                    .length_bytes = expected_bytes - skip,
                    .extent = number,
                    .extent_offset = static_cast<uint32_t>(skip)};
}

// REQUIRES: the segment holds byte `file_offset`.
Result<ContentRun> RunInSegment(const Index& index, const Segment& segment, uint64_t file_offset) {
  const auto extent_bytes = index.ExtentBytesOf(segment);
  if (!extent_bytes) return std::unexpected(extent_bytes.error());
  const uint64_t within = file_offset - segment.file_offset;
  const uint64_t chunk = within / *extent_bytes;
  return RunInExtent(index, file_offset, segment.first_extent + chunk,
                     std::min(*extent_bytes, segment.length_bytes - chunk * *extent_bytes), within % *extent_bytes);
}

ContentRun HoleUntil(const Node& node, uint64_t file_offset, uint64_t end) {
  return {.file_offset = file_offset,
          .length_bytes = std::min(end, node.size_bytes) - file_offset,
          .extent = std::nullopt,
          .extent_offset = 0};
}

}  // namespace

Result<ContentRun> FindRun(const Index& index, const Node& node, uint64_t file_offset) {
  assert(node.is_sample() && file_offset < node.size_bytes);
  if (node.kind == NodeKind::kFile) return RunInExtent(index, file_offset, node.content, node.size_bytes, file_offset);
  if (node.content == kMaxRecords) return HoleUntil(node, file_offset, node.size_bytes);
  const auto first = index.GetSegment(node.content);
  if (!first) return std::unexpected(first.error());
  const auto behind = PartitionPoint(first->following + 1, [&](uint64_t i) -> Result<bool> {
    const auto segment = index.GetSegment(node.content + i);
    if (!segment) return std::unexpected(segment.error());
    return segment->file_offset > file_offset;
  });
  if (!behind) return std::unexpected(behind.error());
  if (*behind > 0) {
    const auto segment = GetSegmentOf(index, node, node.content + *behind - 1);
    if (!segment) return std::unexpected(segment.error());
    if (file_offset - segment->file_offset < segment->length_bytes) return RunInSegment(index, *segment, file_offset);
  }
  if (*behind > first->following) return HoleUntil(node, file_offset, node.size_bytes);
  const auto next = index.GetSegment(node.content + *behind);
  if (!next) return std::unexpected(next.error());
  return HoleUntil(node, file_offset, next->file_offset);
}

Result<std::optional<uint64_t>> FindFileOffset(const Index& index, const Node& node, ExtentNumber number) {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile) return node.content == number ? std::optional<uint64_t>(0) : std::nullopt;
  if (node.content == kMaxRecords) return std::nullopt;
  for (uint64_t i = 0; i < kSegmentsLookedAt; ++i) {
    const auto segment = GetSegmentOf(index, node, node.content + i);
    if (!segment) return std::unexpected(segment.error());
    const auto extent_bytes = index.ExtentBytesOf(*segment);
    if (!extent_bytes) return std::unexpected(extent_bytes.error());
    if (number >= segment->first_extent &&
        number - segment->first_extent < CeilDiv(segment->length_bytes, *extent_bytes))
      return segment->file_offset + (number - segment->first_extent) * *extent_bytes;
    if (segment->following == 0) break;
  }
  return std::nullopt;
}

Result<void> ForEachSegment(const Index& index, const Node& node,
                            const std::function<bool(uint64_t number, const Segment& segment)>& visit) {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile || node.content == kMaxRecords) return {};
  uint64_t end = 0;
  uint64_t expected_following = 0;
  for (uint64_t number = node.content;; ++number) {
    const auto segment = index.GetSegment(number);
    if (!segment) return std::unexpected(segment.error());
    if (segment->file_offset < end || segment->file_offset + segment->length_bytes > node.size_bytes)
      return Corrupt("segment {}: {} bytes at {} overlap another or the end of the sample", number,
                     segment->length_bytes, segment->file_offset);
    if (number > node.content && segment->following != expected_following)
      return Corrupt("segment {}: {} follow, the one before says otherwise", number, segment->following);
    end = segment->file_offset + segment->length_bytes;
    if (!visit(number, *segment) || segment->following == 0) return {};
    expected_following = segment->following - 1;
  }
}

Result<uint64_t> GetStoredBytes(const Index& index, const Node& node) {
  assert(node.is_sample());
  if (node.kind == NodeKind::kFile) return node.size_bytes;
  uint64_t stored_bytes = 0;
  auto done = ForEachSegment(index, node, [&](uint64_t, const Segment& segment) {
    stored_bytes += segment.length_bytes;
    return true;
  });
  if (!done) return Propagate(std::move(done));
  return stored_bytes;
}

}  // namespace quire
