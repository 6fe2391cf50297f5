// SPDX-License-Identifier: Apache-2.0
// Goal: whatever the readers do, the volume is read little more than it must be: a uniform shuffle reads what is not
// resident, reads that cluster cost at most about twice the better of always-page and always-extent.
// Method: a simulated cache that asks admission and policy as the page cache does, traces of fixed seeds.
#include "cache/policy/admission.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "cache/policy/eviction_policy.h"
#include "format/pack/geometry.h"

namespace quire {
namespace {

constexpr uint32_t kImages = 19;  // of 110 KB in a page
constexpr uint32_t kSmall = 690;  // of 3 KB in a page

using Trace = std::vector<uint64_t>;  // samples; page = sample / samples a page

class SimulatedCache {
 public:
  struct Options {
    uint64_t pages = 0;
    uint32_t slots = 0;
    uint32_t samples = 0;  // a page
    AdmissionMode mode = AdmissionMode::kAuto;
    PolicyKind policy = PolicyKind::kAuto;
    CostModel costs = {};
  };

  explicit SimulatedCache(const Options& options)
      : options_(options),
        admission_(options.mode, options.pages, options.slots),
        policy_(MakeEvictionPolicy(options.policy)),
        slot_of_(options.pages) {}

  void Read(uint64_t sample) {
    const uint64_t page = sample / options_.samples;
    const uint32_t sample_bytes = kPageBytes / options_.samples;
    std::optional<uint32_t>& slot = slot_of_[page];
    if (!slot.has_value()) {
      ++misses_;
      const auto victim = slots_.size() < options_.slots ? std::nullopt : FindVictim();
      const Admission::Miss miss{.page = page,
                                 .page_bytes = kPageBytes,
                                 .extent_bytes = sample_bytes,
                                 .in_run = false,
                                 .has_free_slot = slots_.size() < options_.slots,
                                 .has_victim = victim.has_value(),
                                 .victim_used_at = victim.has_value() ? slots_[*victim].used_at : 0};
      const bool whole = admission_.Decide(miss, misses_, options_.costs) == Admit::kPage;
      const uint32_t read_bytes = whole ? kPageBytes : sample_bytes;
      bytes_ += read_bytes;
      cost_ns_ += options_.costs.CostNs(1, read_bytes);
      if (!whole) return;
      Fill(page, victim);
    }
    EvictionCandidate& used = slots_[*slot];
    used.used_at = misses_;
    served_[*slot] += 1;
    used.is_consumed = served_[*slot] >= options_.samples;
  }
  void Read(const Trace& trace) {
    for (const uint64_t sample : trace) Read(sample);
  }

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] double cost_ns() const { return cost_ns_; }
  [[nodiscard]] uint64_t resident_pages() const { return slots_.size(); }

 private:
  std::optional<uint32_t> FindVictim() {
    std::optional<uint32_t> lowest;
    std::optional<uint64_t> lowest_rank;
    for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
      const auto rank = policy_->Rank(slots_[slot]);
      if (!rank.has_value() || (lowest_rank.has_value() && *rank >= *lowest_rank)) continue;
      lowest = slot;
      lowest_rank = rank;
    }
    return lowest;
  }
  void Fill(uint64_t page, std::optional<uint32_t> victim) {
    if (!victim.has_value()) {
      victim = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
      served_.push_back(0);
    } else {
      slot_of_[slots_[*victim].page].reset();
    }
    slots_[*victim] = {.page = page, .filled_at = misses_, .used_at = misses_, .is_consumed = false};
    served_[*victim] = 0;
    slot_of_[page] = victim;
  }

  const Options options_;
  Admission admission_;
  const std::unique_ptr<EvictionPolicy> policy_;
  std::vector<EvictionCandidate> slots_;
  std::vector<uint32_t> served_;
  std::vector<std::optional<uint32_t>> slot_of_;
  uint64_t misses_ = 0;
  uint64_t bytes_ = 0;
  double cost_ns_ = 0;
};

CostModel Learnt(double ns_per_request, double ns_per_byte) {
  CostModel costs;
  for (int i = 0; i < 2000; ++i) {
    const double bytes = i % 2 == 0 ? 3e3 : 2e6;
    costs.Learn(ns_per_request + bytes * ns_per_byte, 1, bytes);
  }
  return costs;
}

Trace Shuffled(uint64_t samples, uint64_t seed) {
  std::mt19937_64 random(seed);
  Trace trace(samples);
  uint64_t next = 0;
  for (uint64_t& sample : trace) sample = next++;
  std::ranges::shuffle(trace, random);
  return trace;
}

// What a loader with a shuffle buffer reads: in order, but each from a random place of the buffer.
Trace SlidingBuffer(uint64_t samples, uint64_t buffer, uint64_t seed) {
  std::mt19937_64 random(seed);
  Trace held;
  Trace trace;
  for (uint64_t next = 0; next < samples || !held.empty();) {
    if (held.size() < buffer && next < samples) {
      held.push_back(next++);
      continue;
    }
    std::swap(held[random() % held.size()], held.back());
    trace.push_back(held.back());
    held.pop_back();
  }
  return trace;
}

// `reads` of random samples of `hot` pages.
Trace HotSet(const std::vector<uint64_t>& hot, uint64_t reads, uint32_t samples, uint64_t seed) {
  std::mt19937_64 random(seed);
  Trace trace(reads);
  for (uint64_t& sample : trace) sample = hot[random() % hot.size()] * samples + random() % samples;
  return trace;
}

double Cost(SimulatedCache::Options options, AdmissionMode mode, const Trace& trace) {
  options.mode = mode;
  SimulatedCache cache(options);
  cache.Read(trace);
  return cache.cost_ns();
}

// How much more kAuto costs than the better of the two that do not choose.
double Regret(const SimulatedCache::Options& options, const Trace& trace) {
  const double best =
      std::min(Cost(options, AdmissionMode::kPage, trace), Cost(options, AdmissionMode::kExtent, trace));
  return Cost(options, AdmissionMode::kAuto, trace) / best;
}

struct Shape {
  uint32_t samples;
  uint64_t pages;
};
constexpr std::array<Shape, 2> kShapes = {{{.samples = kImages, .pages = 400}, {.samples = kSmall, .pages = 100}}};

constexpr double kFractions[] = {0.25, 0.5, 0.75, 0.9};

// Calls `check(epoch, bytes of it in pages, cost of it in reads of all samples one by one)`.
template <typename Check>
void ForEachShuffledEpoch(const SimulatedCache::Options& options, int epochs, const Check& check) {
  SimulatedCache cache(options);
  const uint64_t samples = options.pages * options.samples;
  const double all_ns =
      options.costs.CostNs(static_cast<double>(samples), static_cast<double>(options.pages * kPageBytes));
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const uint64_t bytes = cache.bytes();
    const double cost_ns = cache.cost_ns();
    cache.Read(Shuffled(samples, epoch));
    check(epoch, static_cast<double>(cache.bytes() - bytes) / kPageBytes, (cache.cost_ns() - cost_ns) / all_ns);
  }
}

TEST(Admission, AUniformShuffleReadsWhatIsNotResident) {
  for (const Shape shape : kShapes) {
    for (const double fraction : kFractions) {
      const auto pages = static_cast<double>(shape.pages);
      const auto slots = static_cast<uint32_t>(fraction * pages);
      ForEachShuffledEpoch({.pages = shape.pages, .slots = slots, .samples = shape.samples}, 5,
                           [&](int epoch, double read_pages, double) {
                             const double most = epoch == 0 ? pages : (pages - slots) * 1.05;
                             EXPECT_LE(read_pages, most)
                                 << shape.samples << " samples, " << fraction << ", epoch " << epoch;
                           });
    }
  }
}

// Where a page costs little more than an extent, a false purchase costs little, and in bytes more than in time.
TEST(Admission, AUniformShuffleCostsWhatIsNotResidentOnAnyVolume) {
  const CostModel disk = Learnt(8e6, 5);
  const CostModel slow = Learnt(80e3, 10);
  const CostModel fast = Learnt(5e3, 0.3);
  for (const CostModel& costs : {disk, slow, fast}) {
    for (const Shape shape :
         {kShapes[0], kShapes[1], Shape{.samples = 1, .pages = 2000}, {.samples = 3, .pages = 1000}}) {
      const auto slots = static_cast<uint32_t>(shape.pages / 2);
      ForEachShuffledEpoch({.pages = shape.pages, .slots = slots, .samples = shape.samples, .costs = costs}, 4,
                           [&](int epoch, double, double share) {
                             EXPECT_LE(share, epoch == 0 ? 1.01 : 0.5 * 1.05)
                                 << costs.ns_per_request() << " ns, " << shape.samples << " samples, epoch " << epoch;
                           });
    }
  }
}

// The reason why this class exists.
TEST(Admission, WholePagesUnderLruReadTheDataSetManyTimes) {
  constexpr std::array<double, 4> kTimes = {15.2, 10.3, 5.4, 2.3};
  for (size_t i = 0; i < kTimes.size(); ++i) {
    const SimulatedCache::Options options{.pages = 400,
                                          .slots = static_cast<uint32_t>(400 * kFractions[i]),
                                          .samples = kImages,
                                          .mode = AdmissionMode::kPage,
                                          .policy = PolicyKind::kLru};
    ForEachShuffledEpoch(options, 3, [&](int epoch, double read_pages, double) {
      if (epoch == 0) return;
      EXPECT_NEAR(read_pages / 400, kTimes[i], 0.15 * kTimes[i]) << kFractions[i];
    });
  }
}

TEST(Admission, ShuffleBuffersInPackOrderBuyPages) {
  for (const Shape shape : kShapes) {
    for (const double fraction : {0.05, 0.25, 0.5}) {
      const auto slots = static_cast<uint32_t>(fraction * static_cast<double>(shape.pages));
      for (const uint64_t buffer : {20, 300, 1000, 5000})
        EXPECT_LT(Regret({.pages = shape.pages, .slots = slots, .samples = shape.samples},
                         SlidingBuffer(shape.pages * shape.samples, buffer, 5)),
                  2.1)
            << shape.samples << " samples, " << fraction << ", buffer " << buffer;
    }
  }
}

class HotSetTest : public testing::Test {
 protected:
  // Phases of reads of hot pages, each time others.
  static Trace Phases(int phases, const Shape& shape, uint64_t hot_pages, uint64_t reads_a_page) {
    const Trace pages = Shuffled(shape.pages, 3);
    Trace trace;
    for (int phase = 0; phase < phases; ++phase) {
      Trace hot(hot_pages);
      for (uint64_t i = 0; i < hot_pages; ++i) hot[i] = pages[(phase * hot_pages + i) % shape.pages];
      const Trace reads = HotSet(hot, hot_pages * reads_a_page, shape.samples, phase);
      trace.insert(trace.end(), reads.begin(), reads.end());
    }
    return trace;
  }
};

TEST_F(HotSetTest, BecomesResidentAsEachNewOneDoes) {
  for (const Shape shape : kShapes) {
    for (const double fraction : {0.05, 0.2, 0.5}) {
      const auto slots = static_cast<uint32_t>(fraction * static_cast<double>(shape.pages));
      for (const uint64_t hot_pages : {std::max(slots / 8, 1U), slots * 9 / 10})
        for (const uint64_t reads_a_page : {100, 1000})
          EXPECT_LT(Regret({.pages = shape.pages, .slots = slots, .samples = shape.samples},
                           Phases(3, shape, hot_pages, reads_a_page)),
                    3.2)
              << shape.samples << " samples, " << fraction << ", hot " << hot_pages << ", " << reads_a_page;
    }
  }
}

// Under a disk it takes as many reads to tell a hot set from a shuffle, and each costs nearly as much as a page.
TEST_F(HotSetTest, BecomesResidentOnADiskLaterYetForGood) {
  const SimulatedCache::Options options{.pages = 400, .slots = 100, .samples = kImages, .costs = Learnt(8e6, 5)};
  EXPECT_LT(Regret(options, Phases(3, kShapes[0], 20, 1000)), 4);
  EXPECT_LT(Regret(options, Phases(3, kShapes[0], 90, 1000)), 12);
  EXPECT_LT(Cost(options, AdmissionMode::kAuto, Phases(3, kShapes[0], 90, 1000)),
            0.03 * Cost(options, AdmissionMode::kExtent, Phases(3, kShapes[0], 90, 1000)));
}

TEST(Admission, AFewSmallSamplesOfAHugePackReadLittleMoreThanThemselves) {
  SimulatedCache cache({.pages = 1 << 20, .slots = 512, .samples = kSmall, .costs = Learnt(80e3, 10)});
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) cache.Read(random() % (uint64_t{kSmall} << 20));
  EXPECT_EQ(cache.bytes(), 500 * (kPageBytes / kSmall));
}

TEST(Admission, FreeSlotsOfAHugePackAreFilledByWhatIsReadOften) {
  SimulatedCache cache({.pages = 1 << 20, .slots = 512, .samples = kImages});
  Trace hot(400);
  uint64_t next = 1000;
  for (uint64_t& page : hot) page = next++;
  cache.Read(HotSet(hot, 100'000, kImages, 1));
  EXPECT_EQ(cache.resident_pages(), 400U);
}

TEST(Admission, AVolumeThatFitsIsFilledByPages) {
  SimulatedCache cache({.pages = 100, .slots = 100, .samples = kSmall});
  for (int epoch = 0; epoch < 3; ++epoch) cache.Read(Shuffled(uint64_t{100} * kSmall, epoch));
  EXPECT_EQ(cache.bytes(), 100 * kPageBytes);
  EXPECT_TRUE(Admission(AdmissionMode::kAuto, 100, 100).fits());
  EXPECT_FALSE(Admission(AdmissionMode::kAuto, 101, 100).fits());
}

class DecisionTest : public testing::Test {
 protected:
  static constexpr uint64_t kPages = 1000;
  static constexpr Admission::Miss kMiss{.page = 5, .page_bytes = kPageBytes, .extent_bytes = 3000};
  static Admit Decide(AdmissionMode mode, const Admission::Miss& miss) {
    Admission admission(mode, kPages, 10);
    return admission.Decide(miss, 1, CostModel());
  }
};

TEST_F(DecisionTest, ARunFillsPagesWhereverThereIsRoom) {
  Admission::Miss miss = kMiss;
  miss.in_run = true;
  EXPECT_EQ(Decide(AdmissionMode::kAuto, miss), Admit::kExtent);
  miss.has_victim = true;
  EXPECT_EQ(Decide(AdmissionMode::kAuto, miss), Admit::kPage);
  miss.has_victim = false;
  miss.has_free_slot = true;
  EXPECT_EQ(Decide(AdmissionMode::kAuto, miss), Admit::kPage);
}

TEST_F(DecisionTest, NothingIsEverFilledWithoutRoom) {
  for (const AdmissionMode mode : {AdmissionMode::kAuto, AdmissionMode::kPage, AdmissionMode::kExtent})
    EXPECT_EQ(Decide(mode, kMiss), Admit::kExtent);
  Admission fits(AdmissionMode::kAuto, 10, 10);
  EXPECT_EQ(fits.Decide(kMiss, 1, CostModel()), Admit::kExtent);
}

TEST_F(DecisionTest, AModeThatDoesNotChooseDoesNot) {
  Admission::Miss miss = kMiss;
  miss.has_free_slot = true;
  miss.in_run = true;
  EXPECT_EQ(Decide(AdmissionMode::kExtent, miss), Admit::kExtent);
  miss.in_run = false;
  EXPECT_EQ(Decide(AdmissionMode::kPage, miss), Admit::kPage);
}

// The page costs 2.18 ms, a bypass 0.083 ms.
TEST_F(DecisionTest, APageIsBoughtWhenItsRentsReachThePrice) {
  Admission admission(AdmissionMode::kAuto, kPages, 10);
  Admission::Miss miss = kMiss;
  miss.has_victim = true;
  uint64_t rents = 1;
  while (admission.Decide(miss, 1000 + rents, CostModel()) == Admit::kExtent) ++rents;
  EXPECT_EQ(rents, 27U);
  EXPECT_EQ(admission.Decide(miss, 1100, CostModel()), Admit::kExtent);  // paid for: the next one is paid anew
}

TEST_F(DecisionTest, AStreamFillsAPageAtItsSecondMissAndAtTheFirstWhereAllIsBeingRead) {
  Admission admission(AdmissionMode::kAuto, 10, 10);
  Admission::Miss miss = kMiss;
  miss.has_free_slot = true;
  miss.is_stream = true;
  miss.may_fill = true;
  EXPECT_EQ(admission.Decide(miss, 1, CostModel()), Admit::kExtent) << "one file";
  EXPECT_EQ(admission.Decide(miss, 2, CostModel()), Admit::kPage) << "and another of its page";
  miss.page = 7;
  miss.is_spread = true;
  EXPECT_EQ(admission.Decide(miss, 3, CostModel()), Admit::kPage);
  miss.page = 8;
  miss.may_fill = false;
  EXPECT_EQ(admission.Decide(miss, 4, CostModel()), Admit::kExtent);
  miss.page = 9;
  miss.may_fill = true;
  miss.has_free_slot = false;
  EXPECT_EQ(admission.Decide(miss, 5, CostModel()), Admit::kExtent);
}

TEST_F(DecisionTest, WhatIsMissingOfAPageThatWasHandedOnIsReadAlone) {
  Admission admission(AdmissionMode::kAuto, 10, 10);
  Admission::Miss miss = kMiss;
  miss.has_free_slot = true;
  miss.is_stream = true;
  miss.may_fill = true;
  miss.is_spread = true;
  miss.is_handed_on = true;
  int misses = 0;
  while (admission.Decide(miss, ++misses, CostModel()) == Admit::kExtent) ASSERT_LT(misses, 1000);
  EXPECT_GT(misses, 10) << "and the page is bought only when as much was paid for it";
}

TEST_F(DecisionTest, ANeighboursRentsHelp) {
  Admission admission(AdmissionMode::kAuto, kPages, 10);
  Admission::Miss miss = kMiss;
  miss.has_victim = true;
  uint64_t now = 1000;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(admission.Decide(miss, ++now, CostModel()), Admit::kExtent);
  for (const uint64_t neighbour : {miss.page - 1, miss.page + 1}) {
    Admission::Miss beside = miss;
    beside.page = neighbour;
    for (int i = 0; i < 6; ++i) EXPECT_EQ(admission.Decide(beside, ++now, CostModel()), Admit::kExtent);
    EXPECT_EQ(admission.Decide(beside, ++now, CostModel()), Admit::kPage);
  }
}

TEST_F(DecisionTest, AVictimUsedMeanwhileStays) {
  Admission admission(AdmissionMode::kAuto, kPages, 10);
  Admission::Miss miss = kMiss;
  miss.has_victim = true;
  for (uint64_t now = 1000; now < 1100; ++now) {
    miss.victim_used_at = now - 20;
    EXPECT_EQ(admission.Decide(miss, now, CostModel()), Admit::kExtent) << now;
  }
}

TEST_F(DecisionTest, TheFirstAndTheLastPageHaveOneNeighbour) {
  for (const uint64_t page : {uint64_t{0}, kPages - 1}) {
    Admission::Miss miss = kMiss;
    miss.page = page;
    miss.has_victim = true;
    EXPECT_EQ(Decide(AdmissionMode::kAuto, miss), Admit::kExtent);
  }
}

TEST_F(DecisionTest, AHugeVolumeCostsAddressSpaceOnly) {
  Admission admission(AdmissionMode::kAuto, uint64_t{1} << 27, 10);
  Admission::Miss miss = kMiss;
  miss.page = (uint64_t{1} << 27) - 1;
  miss.has_victim = true;
  EXPECT_EQ(admission.Decide(miss, 1, CostModel()), Admit::kExtent);
}

}  // namespace
}  // namespace quire
