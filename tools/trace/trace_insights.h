// SPDX-License-Identifier: Apache-2.0
// What a trace shows: who read what, in which order, how much of it at a time, how soon again, and what would have
// helped. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tools/sim/lab_cache.h"
#include "tools/sim/stack_distances.h"
#include "tools/sim/trace_sequence.h"

namespace quire::lab {

// The order of an epoch's samples, by where they lie in the pack. The first that fits:
// kSequential: on average within a fiftieth of the epoch from their places, as of several readers that go on together.
// kPageByPage: more than half of the samples lie in the page of the one before, but pages come in random order.
// kByClass: more than half have the folder of the one before, and twice as many as chance gives.
// kNearlySequential: on average within a sixth, as of a shuffle within a buffer (uniform: a third).
// kShuffled: none of these.
enum class EpochOrder : uint8_t { kSequential, kPageByPage, kByClass, kNearlySequential, kShuffled };
inline constexpr std::array<const char*, 5> kEpochOrderNames = {"sequential", "page by page", "by class",
                                                                "nearly sequential", "shuffled"};

struct Epoch {
  double begin_s = 0;
  double end_s = 0;
  uint64_t samples = 0;
  EpochOrder order = EpochOrder::kShuffled;
  bool is_order_repeated = false;  // that of the epoch before
};

struct LevelFigures {
  uint64_t reads = 0;
  uint64_t bytes = 0;
  uint64_t p50_ns = 0;
  uint64_t p99_ns = 0;
};

struct Interval {
  double begin_s = 0;
  double end_s = 0;
  uint64_t reads = 0;
  uint64_t bytes = 0;
  uint64_t pages = 0;      // that were used
  uint64_t new_pages = 0;  // of these, for the first time
};

struct TraceInsights {
  double seconds = 0;
  uint64_t reads = 0;
  uint64_t bytes = 0;
  uint64_t processes = 0;
  std::array<LevelFigures, kTraceLevels> levels;
  std::array<LevelFigures, kTraceSources> sources;
  // The n-th time that a sample is read belongs to epoch n, so epochs may overlap in time. Those of which at most a
  // tenth as many samples are known as of the largest are none, but counted here.
  std::vector<Epoch> epochs;
  uint64_t further_samples = 0;
  std::vector<Interval> intervals;
  LruCurve reuse;
  uint64_t distinct_pages = 0;
};

// `folder_of`: the folder of a node, where the pack is known.
TraceInsights AnalyseTrace(const LoadedTrace& trace, const std::function<uint64_t(uint64_t node)>& folder_of);

// The samples in the order in which they were first read.
std::vector<uint64_t> OrderRead(const LoadedTrace& trace);

// The reads as they would be of a pack that was packed in the order in which samples were first read.
ReadSequence SequenceInOrderRead(const LoadedTrace& trace);

}  // namespace quire::lab
