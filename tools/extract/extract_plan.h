// SPDX-License-Identifier: Apache-2.0
// What an extraction makes, and in which order its bytes are read: that of the volumes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

// Bytes of a sample inside one extent.
struct Piece {
  uint64_t offset = 0;  // in the volume
  uint32_t length_bytes = 0;
  uint16_t volume = 0;
  // A sample of one extent: its node, by the name that it gets. A piece of a segmented sample: where it begins in that.
  uint64_t place_or_offset = 0;
};

// A segmented sample, whose tasks write to one file.
struct LargeSample {
  NodeNumber place = 0;
  uint64_t tasks = 0;
};

// Work for one thread at a time, with at most a page of the pack in memory.
struct ExtractTask {
  enum class Kind : uint8_t { kSamples, kLargeSample, kSymlinks };
  Kind kind = Kind::kSamples;
  uint32_t large_sample = 0;  // of kLargeSample: number in ExtractPlan::large_samples
  uint64_t first = 0;         // number in ExtractPlan::pieces, large_pieces or symlinks
  uint64_t count = 0;
};

// A name of a sample or symlink that gets another name before.
struct FurtherName {
  NodeNumber place = 0;
  NodeNumber first_place = 0;
};

struct ExtractPlan {
  std::vector<NodeNumber> directories;  // parents before children
  std::vector<Piece> pieces;            // of samples of one extent and of empty ones, by place in the volumes
  std::vector<LargeSample> large_samples;
  std::vector<Piece> large_pieces;  // by sample and place in it
  std::vector<NodeNumber> symlinks;
  std::vector<FurtherName> further_names;
  std::vector<ExtractTask> tasks;  // in the order of the pack; all tasks of a large sample stand together

  uint64_t entries = 0;  // without directories
  uint64_t bytes = 0;    // of the pieces
};

// Nodes are named by the number of the name that they get: of several names of one sample that are asked for, the first
// is the sample's own, or the one in front.
//
// Plans `tops` with all below them, each entry once. `on_fault` is told of each node that cannot be read and is left
// out; where it returns false, the plan ends there. Memory: 24 bytes a sample. Blocks in I/O.
ExtractPlan MakeExtractPlan(const Index& index, std::span<const NodeNumber> tops,
                            const std::function<bool(NodeNumber, Error)>& on_fault);

}  // namespace quire
