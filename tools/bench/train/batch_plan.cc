// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/batch_plan.h"

#include <algorithm>
#include <cassert>
#include <random>

#include "tools/bench/sample_store.h"

namespace quire::bench {
namespace {

// The numbers below `count` one after the other, in an order that is another each time.
class Shuffle {
 public:
  Shuffle(uint64_t count, uint64_t seed) : numbers_(CountUp(count)), random_(seed), next_(count) {}

  uint64_t Next() {
    if (next_ == numbers_.size()) {
      std::ranges::shuffle(numbers_, random_);
      next_ = 0;
    }
    return numbers_[next_++];
  }

 private:
  std::vector<uint64_t> numbers_;
  std::mt19937_64 random_;
  size_t next_;
};

}  // namespace

std::span<const uint64_t> BatchShape::BatchOf(std::span<const uint64_t> order, uint64_t step,
                                              unsigned accelerator) const {
  return order.subspan((step * accelerators + accelerator) * batch, batch);
}

std::vector<uint64_t> ShuffledOrder(const BatchShape& shape, uint64_t samples, uint64_t seed) {
  assert(samples > 0);
  Shuffle shuffle(samples, seed);
  std::vector<uint64_t> order(shape.samples());
  for (uint64_t& sample : order) sample = shuffle.Next();
  return order;
}

std::vector<uint64_t> ShardOrder(const BatchShape& shape, std::span<const uint64_t> shard_begins, uint64_t seed) {
  assert(shard_begins.size() >= 2);
  struct Stream {
    uint64_t next = 0;
    uint64_t end = 0;
  };
  std::vector<Stream> streams(static_cast<size_t>(shape.accelerators) * shape.workers);
  Shuffle shards(shard_begins.size() - 1, seed);
  std::vector<uint64_t> order;
  order.reserve(shape.samples());
  for (uint64_t step = 0; step < shape.steps; ++step) {
    for (unsigned accelerator = 0; accelerator < shape.accelerators; ++accelerator) {
      Stream& stream = streams[static_cast<size_t>(accelerator) * shape.workers + step % shape.workers];
      for (unsigned i = 0; i < shape.batch; ++i) {
        if (stream.next == stream.end) {
          const uint64_t shard = shards.Next();
          stream = {shard_begins[shard], shard_begins[shard + 1]};
        }
        order.push_back(stream.next++);
      }
    }
  }
  return order;
}

}  // namespace quire::bench
