// SPDX-License-Identifier: Apache-2.0
// Which sample is read by whom, and when: the order of an epoch. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace quire::bench {

// The shape of an epoch: in each step each accelerator takes one batch, and batch i of an accelerator comes from its
// worker i mod `workers`.
struct BatchShape {
  unsigned accelerators = 1;
  unsigned workers = 1;  // of each accelerator
  unsigned batch = 1;    // samples
  uint64_t steps = 1;

  [[nodiscard]] uint64_t samples() const { return steps * accelerators * batch; }
  // Of the samples of an epoch in its order, the part that accelerator `accelerator` takes in step `step`.
  [[nodiscard]] std::span<const uint64_t> BatchOf(std::span<const uint64_t> order, uint64_t step,
                                                  unsigned accelerator) const;
};

// All samples in random order, and again in another one when they are used up: each is read once before any is read
// twice, whoever reads it. REQUIRES: samples > 0.
std::vector<uint64_t> ShuffledOrder(const BatchShape& shape, uint64_t samples, uint64_t seed);

// The samples of shards, whose records are read from the first to the last: a worker that has come to the end of a
// shard takes the next one of the shuffled shards. `shard_begins`: the first sample of each, ascending, and their
// number behind that. REQUIRES: at least one shard, none of them empty.
std::vector<uint64_t> ShardOrder(const BatchShape& shape, std::span<const uint64_t> shard_begins, uint64_t seed);

}  // namespace quire::bench
