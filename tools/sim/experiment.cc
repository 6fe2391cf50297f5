// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/experiment.h"

#include <algorithm>

namespace quire::lab {
namespace {

constexpr uint32_t kFewPages = 16;  // of a reference string: every number of slots is shown
constexpr uint32_t kFractions = 8;

// A mount has some slots more for extents that are read alone; a textbook's memory has not.
uint32_t SlabsBeside(const ReadSequence& sequence, uint32_t slots) {
  return sequence.is_reference_string() ? 0 : static_cast<uint32_t>(CacheBytesFor(slots) / kPageBytes - slots);
}

void FindAnomalies(Experiment& experiment) {
  for (size_t i = 1; i < experiment.trials.size(); ++i) {
    const Trial& fewer = experiment.trials[i - 1];
    const Trial& more = experiment.trials[i];
    if (fewer.policy == more.policy && more.tally.hits < fewer.tally.hits)
      experiment.anomalies.push_back({.policy = more.policy,
                                      .fewer_slots = fewer.slots,
                                      .more_slots = more.slots,
                                      .hits_with_fewer = fewer.tally.hits,
                                      .hits_with_more = more.tally.hits});
  }
}

}  // namespace

Experiment RunExperiment(const ReadSequence& sequence, const ExperimentPlan& plan) {
  Experiment experiment;
  experiment.lru = MeasureLru(sequence);
  for (const LabPolicy policy : plan.policies)
    for (const uint32_t slots : plan.slots)
      experiment.trials.push_back({.policy = policy,
                                   .slots = slots,
                                   .tally = Replay(sequence, {.policy = policy,
                                                              .slots = slots,
                                                              .admission = plan.admission,
                                                              .slabs = SlabsBeside(sequence, slots),
                                                              .readahead = plan.readahead,
                                                              .readers_keep = plan.readers_keep,
                                                              .costs = plan.costs})});
  FindAnomalies(experiment);
  return experiment;
}

std::vector<uint32_t> ChooseSlots(const ReadSequence& sequence, uint32_t also) {
  std::vector<uint32_t> slots;
  const uint32_t pages = std::max<uint32_t>(sequence.distinct_pages, 1);
  if (sequence.is_reference_string() && pages <= kFewPages) {
    for (uint32_t count = 1; count <= pages; ++count) slots.push_back(count);
  } else {
    for (uint32_t eighths = 1; eighths <= kFractions; ++eighths)
      slots.push_back(static_cast<uint32_t>(std::max<uint64_t>(uint64_t{pages} * eighths / kFractions, 1)));
  }
  if (also > 0) slots.push_back(also);
  std::ranges::sort(slots);
  slots.erase(std::ranges::unique(slots).begin(), slots.end());
  return slots;
}

Advice Advise(const ReadSequence& sequence, const LruCurve& curve) {
  return {.slots = curve.SlotsFor(kEnoughShare),
          .hit_ratio = 1 - curve.MissRatioWith(curve.SlotsFor(kEnoughShare)),
          .all_slots = sequence.distinct_pages,
          .best_hit_ratio = 1 - curve.MissRatioWith(sequence.distinct_pages)};
}

uint64_t CacheBytesFor(uint64_t page_slots) {
  // A sixteenth of all, from 2 to 16, are slabs.
  for (uint64_t slabs = 2; slabs < 16; ++slabs) {
    const uint64_t slots = page_slots + slabs;
    if (std::clamp<uint64_t>(slots / 16, 2, 16) == slabs) return std::max<uint64_t>(slots, 4) * kPageBytes;
  }
  return (page_slots + 16) * kPageBytes;
}

}  // namespace quire::lab
