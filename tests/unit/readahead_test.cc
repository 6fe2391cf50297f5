// SPDX-License-Identifier: Apache-2.0
// Goal: readers in the order of the pack find their pages filled in time, shuffles and backward readers get nothing,
// and no advice goes beyond the budget or the volume.
// Method: a simulated cache of pages which tells what the page cache would tell, readers of fixed seeds.
#include "cache/policy/readahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <vector>

#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr uint64_t kPages = 150;
constexpr uint32_t kBudget = 32;

struct Sample {
  uint64_t offset;
  uint32_t bytes;
};

// Sample `number` of those that lie `samples` to a page.
Sample SampleOf(uint64_t number, uint64_t samples) {
  const auto bytes = static_cast<uint32_t>(kPageBytes / samples / 8 * 8);
  return {.offset = number / samples * kPageBytes + number % samples * bytes, .bytes = bytes};
}

class Simulation {
 public:
  // Whether a miss fills its page: what admission decides as long as there are free slots.
  enum class Fills : uint8_t { kAlways, kInRuns, kNever };

  Simulation(Fills fills, uint64_t pages = kPages, uint32_t budget = kBudget)
      : readahead(pages, budget), fills_(fills), pages_(pages), budget_(budget) {}

  void Read(const Sample& sample) {
    const uint64_t page = sample.offset / kPageBytes;
    if (prefetched_.erase(page) > 0) {
      readahead.PrefetchUsed();
      resident_.insert(page);
      ++prefetches_used;
      Tell(sample);
    } else if (!resident_.contains(page)) {
      ++misses;
      Tell(sample);
      if (fills_ == Fills::kAlways || (fills_ == Fills::kInRuns && last_.in_run)) resident_.insert(page);
    }
  }
  Readahead::Advice Tell(const Sample& sample) {
    last_ = readahead.Access(sample.offset, sample.bytes);
    ++told;
    in_run += last_.in_run ? 1 : 0;
    for (uint64_t page = last_.first_page; page < last_.first_page + last_.pages; ++page) {
      EXPECT_LT(page, pages_);
      if (resident_.contains(page) || !prefetched_.insert(page).second)
        readahead.PrefetchDeclined();
      else
        ++prefetches;
    }
    EXPECT_LE(readahead.outstanding_pages(), budget_);
    EXPECT_EQ(readahead.outstanding_pages(), prefetched_.size());
    return last_;
  }

  Readahead readahead;
  uint64_t told = 0;
  uint64_t in_run = 0;
  uint64_t misses = 0;
  uint64_t prefetches = 0;
  uint64_t prefetches_used = 0;

 private:
  const Fills fills_;
  const uint64_t pages_;
  const uint32_t budget_;
  Readahead::Advice last_;
  std::set<uint64_t> resident_;
  std::set<uint64_t> prefetched_;
};
using Fills = Simulation::Fills;

// Readers that take the next sample from a shared counter, and read it a little later: numbers in the order of reading.
std::vector<uint64_t> FromSharedCounter(uint64_t count, uint64_t readers, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> taken;
  std::vector<uint64_t> order;
  for (uint64_t next = 0; order.size() < count;) {
    while (taken.size() < readers && next < count) taken.push_back(next++);
    const auto reader = taken.begin() + static_cast<int64_t>(random() % taken.size());
    order.push_back(*reader);
    taken.erase(reader);
  }
  return order;
}

std::vector<uint64_t> Shuffled(uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> order(count);
  uint64_t next = 0;
  for (uint64_t& number : order) number = next++;
  std::ranges::shuffle(order, random);
  return order;
}

constexpr std::array<uint64_t, 4> kSamplesAPage = {690, 19, 3, 1};

TEST(Readahead, OneSequentialReaderMissesTheFirstPagesOnly) {
  for (const Fills fills : {Fills::kAlways, Fills::kInRuns}) {
    for (const uint64_t samples : kSamplesAPage) {
      Simulation simulation(fills);
      for (uint64_t i = 0; i < samples * kPages; ++i) simulation.Read(SampleOf(i, samples));
      EXPECT_LE(simulation.misses, 5U) << samples;
      EXPECT_GE(simulation.prefetches_used, kPages - 5) << samples;
      EXPECT_EQ(simulation.prefetches, simulation.prefetches_used) << samples;
    }
  }
}

TEST(Readahead, AWholePageReadInPiecesIsARunToo) {
  Simulation simulation(Fills::kInRuns);
  for (uint64_t i = 0; i < 16 * kPages; ++i) simulation.Read(SampleOf(i, 16));
  EXPECT_LE(simulation.misses, 4U);
}

TEST(Readahead, ThreeAccessesInARowConfirmARunInALargeVolume) {
  for (const uint64_t samples : kSamplesAPage) {
    Readahead readahead(100'000, kBudget);
    EXPECT_FALSE(readahead.Access(0, SampleOf(0, samples).bytes).in_run);
    readahead.Access(SampleOf(1, samples).offset, SampleOf(1, samples).bytes);
    EXPECT_TRUE(readahead.Access(SampleOf(2, samples).offset, SampleOf(2, samples).bytes).in_run) << samples;
  }
}

TEST(Readahead, ReadersThatShareACounterAreOneRun) {
  for (const Fills fills : {Fills::kAlways, Fills::kInRuns}) {
    for (const uint64_t samples : {690, 19, 3}) {
      Simulation simulation(fills);
      for (const uint64_t number : FromSharedCounter(samples * kPages, 8, 1))
        simulation.Read(SampleOf(number, samples));
      EXPECT_LE(simulation.misses, 16U) << samples;
      EXPECT_GE(simulation.prefetches_used, kPages * 9 / 10) << samples;
    }
  }
}

// Eight readers of whole pages are up to a score of pages apart.
TEST(Readahead, ReadersThatShareACounterOfWholePagesAreFoundLater) {
  for (const Fills fills : {Fills::kAlways, Fills::kInRuns}) {
    Simulation simulation(fills, 1000);
    for (const uint64_t page : FromSharedCounter(1000, 8, 1))
      for (uint64_t piece = 0; piece < 16; ++piece) simulation.Read(SampleOf(page * 16 + piece, 16));
    EXPECT_GE(simulation.prefetches_used, 850U);
    EXPECT_LE(simulation.misses, 150U);
  }
}

TEST(Readahead, ReadersInRegionsOfTheirOwnAreRunsOfTheirOwn) {
  constexpr uint64_t kReaders = 8;
  constexpr uint64_t kRegion = 100;
  for (const Fills fills : {Fills::kAlways, Fills::kInRuns}) {
    for (const uint64_t samples : kSamplesAPage) {
      Simulation simulation(fills, 1050, 64);
      for (uint64_t i = 0; i < samples * kRegion; ++i)
        for (uint64_t reader = 0; reader < kReaders; ++reader)
          simulation.Read(SampleOf(i + samples * 130 * reader, samples));
      EXPECT_LE(simulation.misses, 5 * kReaders) << samples;
      EXPECT_LE(simulation.prefetches - simulation.prefetches_used, 4 * kReaders) << samples;  // behind the end
    }
  }
}

TEST(Readahead, ARunIsFoundAmongRandomReads) {
  constexpr uint64_t kHalf = 9500;  // samples of 500 pages
  Simulation simulation(Fills::kInRuns, 1000);
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < kHalf; ++i) {
    simulation.Read(SampleOf(i, 19));
    for (int others = 0; others < 3; ++others) simulation.Tell(SampleOf(kHalf + random() % kHalf, 19));
  }
  EXPECT_GE(simulation.prefetches_used, 400U);
}

TEST(Readahead, AUniformShuffleIsNoRun) {
  for (const uint64_t pages : {150, 1050}) {
    for (const uint64_t samples : {690, 19, 4, 2, 1}) {
      for (const Fills fills : {Fills::kNever, Fills::kAlways}) {
        Simulation simulation(fills, pages);
        for (uint64_t epoch = 0; epoch < 3; ++epoch)
          for (const uint64_t number : Shuffled(samples * pages, epoch)) simulation.Read(SampleOf(number, samples));
        EXPECT_LE(simulation.in_run, simulation.told / 1000) << pages << " pages of " << samples;
      }
    }
  }
}

// All accesses begin where a page does, so that the next page of some run is often hit by chance.
TEST(Readahead, AShuffleOfWholePagesReadInPiecesIsNoRun) {
  for (const uint64_t pages : {150, 1050}) {
    Simulation simulation(Fills::kNever, pages);
    for (uint64_t epoch = 0; epoch < 20; ++epoch)
      for (const uint64_t page : Shuffled(pages, epoch))
        simulation.Read({.offset = page * kPageBytes, .bytes = 1 << 17});
    EXPECT_LE(simulation.in_run, simulation.told / 1000) << pages;
  }
}

TEST(Readahead, ReadingBackwardsIsNoRun) {
  for (const Fills fills : {Fills::kAlways, Fills::kNever}) {
    for (const uint64_t samples : kSamplesAPage) {
      Simulation simulation(fills);
      for (uint64_t i = samples * kPages; i-- > 0;) simulation.Read(SampleOf(i, samples));
      EXPECT_EQ(simulation.in_run, 0U) << samples;
    }
  }
}

TEST(Readahead, StridesThatReadMostOfTheBytesAreRuns) {
  for (const uint64_t samples : {690, 19, 3}) {
    Simulation simulation(Fills::kInRuns);
    for (uint64_t i = 0; i < samples * kPages; i += 2) simulation.Read(SampleOf(i, samples));
    EXPECT_GE(simulation.prefetches_used, kPages - 5) << samples;
  }
}

TEST(Readahead, StridesThatReadFewOfTheBytesAreNot) {
  for (const uint64_t samples : kSamplesAPage) {
    Simulation simulation(Fills::kNever);
    for (uint64_t i = 0; i < samples * kPages; i += 5) simulation.Read(SampleOf(i, samples));
    EXPECT_EQ(simulation.in_run, 0U) << samples;
  }
}

class WindowTest : public testing::Test {
 protected:
  // Reads pages in order, from the first.
  Readahead::Advice ReadPage() { return readahead_.Access(page_++ * kPageBytes, kPageBytes); }
  void ConfirmARun() {
    Readahead::Advice advice;
    while (!advice.in_run) advice = ReadPage();
    EXPECT_EQ(advice.first_page, page_);
    EXPECT_EQ(advice.pages, 1U);
  }

  static constexpr uint64_t kWindowPages = 100'000;
  Readahead readahead_{kWindowPages, 16};
  uint64_t page_ = 0;
};

TEST_F(WindowTest, DoublesWithEachUseUpToTheBandwidthDelay) {
  readahead_.SetBandwidthDelay(8);
  ConfirmARun();
  uint64_t advised = page_ + 1;
  for (const uint64_t window : {2, 4, 8, 8, 8}) {
    readahead_.PrefetchUsed();
    const Readahead::Advice advice = ReadPage();
    EXPECT_EQ(advice.first_page, advised);
    advised += advice.pages;
    EXPECT_EQ(advised, page_ + window);
    EXPECT_EQ(readahead_.outstanding_pages(), window);
  }
}

TEST_F(WindowTest, HalvesWithEachWaste) {
  readahead_.SetBandwidthDelay(8);
  ConfirmARun();
  uint64_t advised = page_ + 1;
  for (int i = 0; i < 6; ++i) {
    readahead_.PrefetchUsed();
    const Readahead::Advice advice = ReadPage();
    advised = advice.first_page + advice.pages;
  }
  EXPECT_EQ(advised, page_ + 8);
  for (int i = 0; i < 2; ++i) readahead_.PrefetchWasted();  // 8, 4, 2
  while (page_ + 2 < advised) EXPECT_EQ(ReadPage().pages, 0U);
  const Readahead::Advice advice = ReadPage();
  EXPECT_EQ(advice.pages, 1U);
  EXPECT_EQ(advice.first_page + advice.pages, page_ + 2);
}

TEST_F(WindowTest, IsAtLeastTwoPagesWhateverTheBandwidthDelay) {
  readahead_.SetBandwidthDelay(0);
  ConfirmARun();
  for (int i = 0; i < 4; ++i) {
    readahead_.PrefetchUsed();
    ReadPage();
  }
  EXPECT_EQ(readahead_.outstanding_pages(), 2U);
}

TEST_F(WindowTest, OfAllRunsTogetherKeepsTheBudget) {
  readahead_.SetBandwidthDelay(64);
  ConfirmARun();
  for (int i = 0; i < 7; ++i) {
    readahead_.PrefetchUsed();
    ReadPage();
  }
  EXPECT_EQ(readahead_.outstanding_pages(), 16U);
  EXPECT_EQ(ReadPage().pages, 0U);
  page_ = kWindowPages / 2;  // another reader
  Readahead::Advice advice;
  for (int i = 0; i < 5; ++i) advice = ReadPage();
  EXPECT_TRUE(advice.in_run);
  EXPECT_EQ(advice.pages, 0U);
  readahead_.PrefetchDeclined();
  EXPECT_EQ(ReadPage().pages, 1U);
}

TEST_F(WindowTest, IsNoMoreWhereTheReaderBeginsToJump) {
  ConfirmARun();
  for (int i = 0; i < 10; ++i) ReadPage();
  const auto jump = [&] { return readahead_.Access((page_ += 3) * kPageBytes + kPageBytes / 2, 3000); };
  EXPECT_TRUE(jump().in_run);
  for (int i = 0; i < 10; ++i) jump();
  EXPECT_FALSE(jump().in_run);
}

TEST_F(WindowTest, IsNoMoreWhereNobodyReadForLong) {
  ConfirmARun();
  for (uint64_t i = 0; i < 1100; ++i) readahead_.Access(kWindowPages / 2 * kPageBytes + i * 1000, 1000);
  EXPECT_FALSE(ReadPage().in_run);
}

TEST_F(WindowTest, EndsWhereTheVolumeDoes) {
  readahead_.SetBandwidthDelay(64);
  page_ = kWindowPages - 6;
  ConfirmARun();
  for (int i = 0; i < 5; ++i) readahead_.PrefetchUsed();
  uint64_t end = page_ + 1;
  while (page_ < kWindowPages) {
    const Readahead::Advice advice = ReadPage();
    if (advice.pages > 0) end = advice.first_page + advice.pages;
  }
  EXPECT_EQ(end, kWindowPages);
}

TEST(Readahead, WhatWasNeverAdvisedCannotMakeTheBudgetLarger) {
  Readahead readahead(kPages, kBudget);
  readahead.PrefetchDeclined();
  readahead.PrefetchWasted();
  readahead.PrefetchUsed();
  EXPECT_EQ(readahead.outstanding_pages(), 0U);
}

}  // namespace
}  // namespace quire
