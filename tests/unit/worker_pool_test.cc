// SPDX-License-Identifier: Apache-2.0
// Goal: every index is done once, a failure stops the loop and is the one told.
#include "format/worker_pool.h"

#include <gtest/gtest.h>

#include <new>

namespace quire {
namespace {

TEST(WorkerPool, DoesEveryIndexOnceInEveryRound) {
  WorkerPool pool(8);
  for (const uint64_t count : {0, 1, 7, 1000}) {
    std::vector<std::atomic<int>> done(count);
    ASSERT_TRUE(pool.ForEach(count,
                             [&](uint64_t i) -> Result<void> {
                               ++done[i];
                               return {};
                             })
                    .has_value());
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

TEST(WorkerPool, TellsTheLowestFailureAndGivesOutNoMore) {
  WorkerPool pool(4);
  std::atomic<uint64_t> ran = 0;
  const auto failed = pool.ForEach(1'000'000, [&](uint64_t i) -> Result<void> {
    ++ran;
    if (i >= 100) return Corrupt("{}", i);
    return {};
  });
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().message, "100");
  EXPECT_LT(ran, 200U);
  EXPECT_TRUE(pool.ForEach(1, [](uint64_t) -> Result<void> { return {}; }).has_value());
}

// No memory, most likely: it ends the loop and not the program.
TEST(WorkerPool, ThrowsOnWhatABodyThrows) {
  WorkerPool pool(4);
  const auto no_memory = [](uint64_t i) -> Result<void> {
    if (i == 7) throw std::bad_alloc();
    return {};
  };
  EXPECT_THROW(static_cast<void>(pool.ForEach(1'000, no_memory)), std::bad_alloc);
  EXPECT_TRUE(pool.ForEach(1, [](uint64_t) -> Result<void> { return {}; }).has_value());
}

}  // namespace
}  // namespace quire
