// The reading half of `quire bench formats`: every container is read in path order and at random, in turn with the
// others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/bench/epoch.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/step_progress.h"

namespace quire::bench {

struct Contestant {
  std::string format;
  std::unique_ptr<SampleStore> store;  // listed
  std::vector<pid_t> daemons = {};
};

struct ContestSettings {
  EpochSettings epoch;
  unsigned repeats = 1;
  uint64_t seed = 1;  // of the random orders: each repeat has its own, the same for all
  bool cold = false;  // before each epoch drop the machine's caches, too
};

// One way of reading one format, as often as it was repeated.
struct ReadFigures {
  std::string format;
  std::string order;  // "path" or "random"
  std::string cache;  // "evicted", "cold" or "warm"
  std::vector<EpochFigures> epochs = {};
};

// Each contestant's place in a round: numbers from 0 to `contestants` - 1. In as many rounds as there are contestants
// each follows each other once where their number is even, and never always the same one where it is odd (a Williams
// square), so that nobody profits or suffers from what its predecessor left behind.
std::vector<size_t> RoundOrder(size_t contestants, size_t round);

// The epochs that RunContest runs.
uint64_t ContestSteps(size_t contestants, unsigned repeats);

// For each contestant, in their order: path order, random, and random once more over what is in the cache then.
Result<std::vector<ReadFigures>> RunContest(const std::vector<Contestant>& contestants, const ContestSettings& settings,
                                            StepProgress& progress);

}  // namespace quire::bench
