// SPDX-License-Identifier: Apache-2.0
// A sequence of reads tried with each of several policies and numbers of slots, and what follows from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/sim/lab_cache.h"
#include "tools/sim/read_sequence.h"
#include "tools/sim/stack_distances.h"

namespace quire::lab {

struct ExperimentPlan {
  std::vector<LabPolicy> policies;
  std::vector<uint32_t> slots;  // ascending, each once
  AdmissionMode admission = AdmissionMode::kPage;
  bool readahead = false;
  bool readers_keep = true;
  CostModel costs = {};  // what admission reckons with
};

struct Trial {
  LabPolicy policy = LabPolicy::kLru;
  uint32_t slots = 0;
  Tally tally;
};

// More slots brought fewer hits: Belady's anomaly (L. A. Belady, R. A. Nelson, G. S. Shedler, An anomaly in space-time
// characteristics of certain programs running in a paging machine, CACM 12(6), 1969).
struct Anomaly {
  LabPolicy policy = LabPolicy::kFifo;
  uint32_t fewer_slots = 0;
  uint32_t more_slots = 0;
  uint64_t hits_with_fewer = 0;
  uint64_t hits_with_more = 0;
};

struct Experiment {
  std::vector<Trial> trials;  // by policy as asked for, then by slots
  std::vector<Anomaly> anomalies;
  LruCurve lru;
};

Experiment RunExperiment(const ReadSequence& sequence, const ExperimentPlan& plan);

// Numbers of slots that show a sequence's shape: all of a short reference string, else fractions of its pages, and
// `also` where it is not 0.
std::vector<uint32_t> ChooseSlots(const ReadSequence& sequence, uint32_t also);

// How much memory is worth its while, by the LRU curve: the fewest slots that bring kEnoughShare of the hits that any
// memory could.
inline constexpr double kEnoughShare = 0.95;
struct Advice {
  uint64_t slots = 0;         // 0: no page is read again, so no memory brings anything
  double hit_ratio = 0;       // with these
  uint64_t all_slots = 0;     // that hold every page
  double best_hit_ratio = 0;  // with them
};
Advice Advise(const ReadSequence& sequence, const LruCurve& curve);

// The least `cache_size` of a mount that has so many slots for pages, as page_cache.cc divides it. More than the pages
// themselves.
uint64_t CacheBytesFor(uint64_t page_slots);

}  // namespace quire::lab
