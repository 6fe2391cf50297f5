// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a sample lie: in one extent, or in segments, which are extents in a row, with holes in between.
// Thread-safe. No allocation. Errors are those of Index.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "format/pack/index.h"
#include "format/pack/records.h"
#include "format/result.h"

namespace quire {

// A run of a sample's bytes: inside one extent, or inside a hole.
struct ContentRun {
  uint64_t file_offset = 0;
  uint64_t length_bytes = 0;
  std::optional<ExtentNumber> extent;  // empty: a hole, which reads as zeros
  uint32_t extent_offset = 0;          // of the run's first byte in the extent
};

// The run that holds byte `file_offset` of `node`, from there to its end. The run's extent has the length that the
// node implies. O(log segments). REQUIRES: node.is_sample(), file_offset < node.size_bytes.
Result<ContentRun> FindRun(const Index& index, const Node& node, uint64_t file_offset);

// Where in `node` the bytes of extent `number` begin; empty where it is none of the node's. Looks at the first
// kSegmentsLookedAt segments of a node only, which are all unless it has holes. REQUIRES: node.is_sample().
Result<std::optional<uint64_t>> FindFileOffset(const Index& index, const Node& node, ExtentNumber number);
inline constexpr uint64_t kSegmentsLookedAt = 8;

// Calls `visit` for each segment of `node`, in file order, until it returns false; not at all where the node has one
// extent. Each is checked against the one before and the size of the node. REQUIRES: node.is_sample().
Result<void> ForEachSegment(const Index& index, const Node& node,
                            const std::function<bool(uint64_t number, const Segment& segment)>& visit);

// Bytes of `node` that are not holes. All its segments are read. REQUIRES: node.is_sample().
Result<uint64_t> GetStoredBytes(const Index& index, const Node& node);

}  // namespace quire
