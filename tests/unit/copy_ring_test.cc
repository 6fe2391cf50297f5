// SPDX-License-Identifier: Apache-2.0
// Goal: pieces that are taken do not touch each other and lie in the ring; and there is room for as many as are
// promised.
#include "fs/feed/copy_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>

namespace quire {
namespace {

// A byte for each piece, which fills it.
struct Piece {
  std::span<std::byte> memory;
  std::byte mark;
};

TEST(CopyRing, HasRoomWhileTwiceTheLargestPieceIsLeftAndKeepsPiecesApart) {
  constexpr size_t kRing = 100'000;
  constexpr size_t kLargest = 10'000;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    CopyRing ring(kRing);
    std::deque<Piece> pieces;
    size_t taken = 0;
    for (int step = 0; step < 3000; ++step) {
      const size_t bytes = 1 + random() % kLargest;
      if (random() % 8 > seed % 8 && taken + bytes + kLargest <= kRing - kLargest) {
        const auto memory = ring.Take(bytes);
        ASSERT_EQ(memory.size(), bytes);
        pieces.push_back({memory, static_cast<std::byte>(step)});
        std::ranges::fill(memory, pieces.back().mark);
        taken += bytes;
      } else if (!pieces.empty()) {
        const auto [memory, mark] = pieces.front();
        ASSERT_EQ(std::ranges::count(memory, mark), static_cast<ptrdiff_t>(memory.size()));
        ring.Return(memory);
        taken -= memory.size();
        pieces.pop_front();
      }
    }
  }
}

TEST(CopyRing, GivesNothingWhereThereIsNoRoom) {
  CopyRing ring(100);
  EXPECT_TRUE(ring.Take(101).empty());
  const auto all = ring.Take(100);
  EXPECT_EQ(all.size(), 100U);
  EXPECT_TRUE(ring.Take(1).empty());
  ring.Return(all);
  const auto first = ring.Take(60);
  EXPECT_TRUE(ring.Take(41).empty());
  const auto second = ring.Take(40);
  ring.Return(first);
  EXPECT_TRUE(ring.Take(61).empty());
  const auto third = ring.Take(60);
  EXPECT_EQ(third.data(), all.data());
  EXPECT_TRUE(ring.Take(1).empty());
  ring.Return(second);
  ring.Return(third);
  EXPECT_EQ(ring.Take(100).size(), 100U);
}

}  // namespace
}  // namespace quire
