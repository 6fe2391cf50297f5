// SPDX-License-Identifier: Apache-2.0
#include "cache/page/slot_supply.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/page/slot_table.h"
#include "cache/policy/residency.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

constexpr uint32_t kSlabs = 2;
constexpr uint32_t kSlots = 8;    // with the slabs: too few for a reserve
constexpr uint32_t kReserve = 4;  // of an arena of 32 page slots
constexpr uint64_t kPages = 100;
constexpr uint64_t kPlenty = uint64_t{64} << 30;

// Its slabs have memory, the other slots have none.
std::unique_ptr<Arena> MakeArena(uint32_t slots) {
  auto arena = ValueOrDie(Arena::Create(slots, HugePages::kOff));
  for (uint32_t slot = 0; slot < slots; ++slot)
    if (arena->is_populated(slot) && slot >= kSlabs) arena->Release(slot);
  return arena;
}

// Pages are entered and opened here as the cache would; page p is filled and last used at miss p.
class SlotSupplyTest : public testing::Test {
 protected:
  explicit SlotSupplyTest(PushMode push = PushMode::kOff, uint32_t slots = kSlots)
      : slots_(slots),
        residency_(push, {.bytes = kPages * kPageBytes, .samples = kPages, .pages = kPages},
                   {.available_bytes = [this] { return available_bytes_; }}) {
    residency_.LookAtMemory();
  }

  void Fill(uint32_t slot, uint64_t page) {
    Populate();
    table_.Enter(slot, page, kPageBytes, page, false);
    table_.Open(slot, page);
  }
  void Populate() {
    while (const auto slot = supply_.TakeSlotToPopulate()) {
      EXPECT_TRUE(arena_->Populate(*slot).has_value());
      supply_.MemoryCame(true);
    }
  }
  void RefuseMemory() {
    supply_.NeedsMemory(0);
    EXPECT_EQ(supply_.TakeSlotToPopulate(), 0U);
    supply_.MemoryCame(false);
  }
  void Trim(bool is_idle) {
    supply_.BeginTrim(is_idle);
    while (supply_.TrimOne()) continue;
  }
  // The slot of the place that a new page gets without evicting one; populated.
  uint32_t TakeFree() {
    const auto place = supply_.FindFree();
    EXPECT_TRUE(place && !place->is_victim && supply_.Take(*place));
    if (!arena_->is_populated(place->slot)) supply_.NeedsMemory(place->slot);
    return place->slot;
  }
  void FillAll() {
    for (uint64_t page = 1; page <= kSlots - kSlabs; ++page) Fill(TakeFree(), page);
  }

  // What the thread that fills the reserve does.
  void FillReserve() {
    while (const auto slot = supply_.TakeForReserve()) {
      EXPECT_FALSE(arena_->is_populated(*slot));
      EXPECT_TRUE(arena_->Populate(*slot).has_value());
      supply_.MemoryCame(true);
      supply_.GiveBack(*slot);
    }
  }

  const uint32_t slots_;
  uint64_t available_bytes_ = kPlenty;
  Residency residency_;
  std::unique_ptr<Arena> arena_ = MakeArena(slots_);
  SlotTable table_{kPages, kSlabs, slots_, true};
  std::vector<uint32_t> evicted_;
  SlotSupply supply_{table_, *arena_, residency_, PolicyKind::kAuto,
                     [this](uint32_t slot) { evicted_.push_back(slot); }};
};

class SlotSupplyOfAStreamTest : public SlotSupplyTest {
 protected:
  SlotSupplyOfAStreamTest() : SlotSupplyTest(PushMode::kAuto) {}
};

class SlotReserveTest : public SlotSupplyTest {
 protected:
  SlotReserveTest() : SlotSupplyTest(PushMode::kAuto, kSlabs + 8 * kReserve) {}
};

TEST_F(SlotSupplyTest, GrowsFirstThenNamesTheLeastRecentlyUsedAsVictim) {
  FillAll();
  EXPECT_FALSE(supply_.FindFree());
  const auto victim = supply_.FindVictim();
  ASSERT_TRUE(victim && victim->is_victim);
  EXPECT_EQ(table_.page_of(victim->slot), 1U);
  EXPECT_EQ(victim->used_at, 1U);
  EXPECT_TRUE(evicted_.empty());
  ASSERT_TRUE(supply_.Take(*victim));
  EXPECT_EQ(evicted_, std::vector{victim->slot});
  EXPECT_EQ(table_.presence(1), SlotTable::Presence::kAbsent);
}

TEST_F(SlotSupplyTest, AVictimThatWasPinnedMeanwhileIsNotTaken) {
  FillAll();
  const auto victim = supply_.FindVictim();
  ASSERT_TRUE(victim);
  ASSERT_TRUE(table_.TryPin(1));
  EXPECT_FALSE(supply_.Take(*victim));
  EXPECT_TRUE(evicted_.empty());
  table_.Unpin(victim->slot);
}

TEST_F(SlotSupplyTest, WhatWasGivenBackIsUsedBeforeTheArenaGrows) {
  const uint32_t slot = TakeFree();
  Fill(slot, 1);
  ASSERT_TRUE(table_.Evict(slot));
  supply_.GiveBack(slot);
  EXPECT_EQ(TakeFree(), slot);
}

TEST_F(SlotSupplyTest, ASlotThatReadsStillPinComesBackWhenTheyEnd) {
  const uint32_t slot = TakeFree();
  table_.Enter(slot, 1, kPageBytes, 1, false);
  table_.PinMore(slot);
  table_.Leave(slot, SlotTable::Presence::kUnreadable);
  Populate();
  supply_.GiveBack(slot, /*is_in_use=*/true);
  EXPECT_NE(TakeFree(), slot);
  table_.Unpin(slot);
  EXPECT_EQ(TakeFree(), slot);
}

TEST_F(SlotSupplyTest, DoesNotGrowAfterMemoryWasRefusedUntilATrim) {
  Fill(TakeFree(), 1);
  RefuseMemory();
  EXPECT_FALSE(supply_.FindFree());
  EXPECT_EQ(supply_.CountSpare(), 0U);
  supply_.BeginTrim(/*is_idle=*/false);
  EXPECT_FALSE(supply_.TrimOne());
  EXPECT_TRUE(supply_.FindFree());
}

TEST_F(SlotSupplyTest, SlotsThatWaitForMemoryCountAsGrowth) {
  constexpr uint32_t kLimit = 5;
  available_bytes_ = 8 * kLimit * kPageBytes - kSlabs * kPageBytes;  // an eighth of it and of the slabs
  residency_.LookAtMemory();
  ASSERT_EQ(residency_.SlotLimit(arena_->populated()), kLimit);
  for (uint32_t grown = kSlabs; grown < kLimit; ++grown) TakeFree();
  EXPECT_EQ(arena_->populated(), kSlabs);
  EXPECT_FALSE(supply_.FindFree());
  // Nor do other threads grow it while these get theirs.
  while (supply_.TakeSlotToPopulate()) EXPECT_FALSE(supply_.FindFree());
}

TEST_F(SlotReserveTest, ASlotOnItsWayThereCountsAsGrowth) {
  constexpr uint32_t kLimit = 4;
  Fill(TakeFree(), 1);
  available_bytes_ = 8 * kLimit * kPageBytes - arena_->populated() * kPageBytes;
  residency_.LookAtMemory();
  ASSERT_EQ(residency_.SlotLimit(arena_->populated()), kLimit);
  EXPECT_TRUE(supply_.TakeForReserve());
  EXPECT_FALSE(supply_.FindFree());
}

TEST_F(SlotSupplyTest, TrimGivesBackHalfOfWhatStayedFree) {
  FillAll();
  for (uint32_t slot = kSlabs; slot < kSlabs + 4; ++slot) {
    ASSERT_TRUE(table_.Evict(slot));
    supply_.GiveBack(slot);
  }
  const uint32_t populated = arena_->populated();
  Trim(false);  // nothing was free since the trim before
  EXPECT_EQ(arena_->populated(), populated);
  Trim(false);
  EXPECT_EQ(arena_->populated(), populated - 2);
}

TEST_F(SlotSupplyTest, AnIdleTrimGivesBackAllThatNobodyPins) {
  FillAll();
  ASSERT_TRUE(table_.TryPin(3));
  Trim(/*is_idle=*/true);
  EXPECT_EQ(arena_->populated(), kSlabs + 1);
  EXPECT_EQ(table_.open_count(), 1U);
  EXPECT_EQ(evicted_.size(), kSlots - kSlabs - 1);
  table_.Unpin(table_.slot_of(3));
}

TEST_F(SlotSupplyTest, TrimEvictsDownToTheLimitWhenMemoryGetsShort) {
  FillAll();
  available_bytes_ = 0;
  residency_.LookAtMemory();
  Trim(false);
  EXPECT_EQ(arena_->populated(), residency_.SlotLimit(arena_->populated()));
  EXPECT_LT(arena_->populated(), kSlots);
}

TEST_F(SlotSupplyOfAStreamTest, ConsumedPagesGoBeforeTheArenaGrows) {
  const uint32_t slot = TakeFree();
  Fill(slot, 1);
  table_.MarkConsumed(slot);
  EXPECT_EQ(TakeFree(), slot);
  EXPECT_EQ(evicted_, std::vector{slot});
}

TEST_F(SlotSupplyOfAStreamTest, ConsumedPagesAreSpare) {
  FillAll();
  const size_t spare = supply_.CountSpare();
  for (const uint32_t slot : {kSlabs, kSlabs + 1}) table_.MarkConsumed(slot);
  EXPECT_EQ(supply_.CountSpare(), spare + 2);
}

// The kernel will let go of what it was given.
TEST_F(SlotSupplyTest, ConsumedPagesOfAStoreAreNotSpare) {
  FillAll();
  const size_t spare = supply_.CountSpare();
  table_.MarkConsumed(kSlabs);
  EXPECT_EQ(supply_.CountSpare(), spare);
}

TEST_F(SlotReserveTest, IsWantedOnceASlotWasTakenAndIsNotWhenItIsFull) {
  EXPECT_FALSE(supply_.wants_reserve());
  EXPECT_FALSE(supply_.TakeForReserve());
  Fill(TakeFree(), 1);
  EXPECT_TRUE(supply_.wants_reserve());
  FillReserve();
  EXPECT_FALSE(supply_.wants_reserve());
  EXPECT_EQ(table_.free_count(), kReserve);
  EXPECT_EQ(arena_->populated(), kSlabs + 1 + kReserve);
  // Readers get it without waiting for memory.
  EXPECT_TRUE(arena_->is_populated(TakeFree()));
  EXPECT_TRUE(supply_.wants_reserve());
}

// A read that is not admitted looks for a slot too.
TEST_F(SlotReserveTest, IsNotWantedForASlotThatWasPutBack) {
  const auto place = supply_.FindFree();
  ASSERT_TRUE(place);
  supply_.PutBack(*place);
  EXPECT_FALSE(supply_.wants_reserve());
  EXPECT_FALSE(supply_.TakeForReserve());
  EXPECT_EQ(arena_->populated(), kSlabs);
}

TEST_F(SlotReserveTest, TakesConsumedPagesBeforeTheArenaGrows) {
  for (uint64_t page = 1; page <= kReserve; ++page) {
    const uint32_t slot = TakeFree();
    Fill(slot, page);
  }
  for (uint64_t page = 1; page <= kReserve; ++page) table_.MarkConsumed(table_.slot_of(page));
  FillReserve();
  EXPECT_EQ(evicted_.size(), kReserve);
  EXPECT_EQ(arena_->populated(), kSlabs + kReserve);
}

TEST_F(SlotReserveTest, IsLeftToReadersByHalf) {
  Fill(TakeFree(), 1);
  FillReserve();
  for (uint32_t taken = 0; taken < kReserve / 2; ++taken)
    EXPECT_TRUE(arena_->is_populated(supply_.FindFree(SlotSupply::For::kSweeps)->slot));
  EXPECT_FALSE(arena_->is_populated(supply_.FindFree(SlotSupply::For::kSweeps)->slot));
  EXPECT_EQ(table_.free_count(), kReserve / 2);
  RefuseMemory();
  EXPECT_TRUE(arena_->is_populated(supply_.FindFree(SlotSupply::For::kSweeps)->slot)) << "there is no other";
}

TEST_F(SlotReserveTest, StaysThroughTrimsUntilTheArenaIsIdle) {
  Fill(TakeFree(), 1);
  FillReserve();
  for (int trim = 0; trim < 3; ++trim) Trim(false);
  EXPECT_EQ(table_.free_count(), kReserve);
  Trim(/*is_idle=*/true);
  EXPECT_EQ(arena_->populated(), kSlabs);
  EXPECT_FALSE(supply_.wants_reserve());
}

TEST_F(SlotReserveTest, DoesNotGrowBeyondTheLimit) {
  Fill(TakeFree(), 1);
  available_bytes_ = 0;
  residency_.LookAtMemory();
  FillReserve();
  EXPECT_EQ(arena_->populated(), std::max(residency_.SlotLimit(arena_->populated()), kSlabs + 1));
  EXPECT_FALSE(supply_.wants_reserve());
}

TEST_F(SlotSupplyTest, ConsumedPagesOfAStoreStayWhileTheArenaCanGrow) {
  const uint32_t slot = TakeFree();
  Fill(slot, 1);
  table_.MarkConsumed(slot);
  EXPECT_NE(TakeFree(), slot);
  EXPECT_TRUE(evicted_.empty());
}

}  // namespace
}  // namespace quire
