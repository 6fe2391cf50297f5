// SPDX-License-Identifier: Apache-2.0
// Goal: the laboratory gives the figures of textbooks, its curve of all sizes is what each size gives by itself, and
// nothing hits more often than its optimum.
// Method: reference strings whose results are printed in books, brute force on random ones, and the curve against
// replays.
#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>

#include "tools/sim/experiment.h"
#include "tools/sim/sim_report.h"
#include "tools/sim/slot_drawing.h"
#include "tools/sim/trace_sequence.h"

namespace quire::lab {
namespace {

// Belady, Nelson and Shedler 1969.
constexpr const char* kAnomalous = "1 2 3 4 1 2 5 1 2 3 4 5";
// Silberschatz, Galvin, Gagne, Operating System Concepts, "Page replacement": 15, 12 and 9 faults with 3 frames.
constexpr const char* kSilberschatz = "70120304230321201701";

ReadSequence Parse(const std::string& text) {
  const std::vector<std::string> words = {text};
  return *ParseReferenceString(words);
}

uint64_t Hits(const std::string& text, LabPolicy policy, uint32_t slots) {
  return Replay(Parse(text), {.policy = policy, .slots = slots}).hits;
}

// Reads of whole pages in random places; every third page is missing, so that numbers have gaps.
ReadSequence RandomReads(size_t reads, uint64_t pages, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<PlacedRead> places;
  for (size_t i = 0; i < reads; ++i) {
    const uint64_t page = std::min(random() % pages, random() % pages);  // low ones more often
    places.push_back({.place = (page + page / 2) * kPageBytes + random() % 1000 * 8,
                      .extent_bytes = 100'000,
                      .wanted_bytes = 100'000});
  }
  return NumberPages(places, 3 * pages);
}

// By a list, the most recently used in front.
uint64_t CountLruHits(const ReadSequence& sequence, size_t slots) {
  std::list<uint32_t> recent;
  uint64_t hits = 0;
  for (const LabRead& read : sequence.reads) {
    const auto found = std::ranges::find(recent, read.page);
    if (found != recent.end()) {
      ++hits;
      recent.erase(found);
    } else if (recent.size() == slots) {
      recent.pop_back();
    }
    recent.push_front(read.page);
  }
  return hits;
}

TEST(Sim, HitsAreThoseOfTheAnomalysAuthors) {
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kFifo, 3), 3U);
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kFifo, 4), 2U);
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kLru, 3), 2U);
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kLru, 4), 4U);
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kBelady, 3), 5U);
  EXPECT_EQ(Hits(kAnomalous, LabPolicy::kBelady, 4), 6U);
}

TEST(Sim, FaultsAreThoseOfATextbook) {
  EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kFifo, 3), 20U - 15);
  EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kLru, 3), 20U - 12);
  EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kBelady, 3), 20U - 9);
  EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kClock, 3), 20U - 14);
}

TEST(Sim, PinKeepsWhatCameFirst) {
  EXPECT_EQ(Hits("1 2 3 1 2 3 1 2 3", LabPolicy::kPin, 2), 4U);
  EXPECT_EQ(Hits("1 2 3 1 2 3 1 2 3", LabPolicy::kLru, 2), 0U);
}

TEST(Sim, AutoIsLruWithoutAPlanAndTheOptimumWithOne) {
  for (const uint32_t slots : {2U, 3U, 4U}) {
    EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kAuto, slots), Hits(kSilberschatz, LabPolicy::kLru, slots));
    EXPECT_EQ(Hits(kSilberschatz, LabPolicy::kPlan, slots), Hits(kSilberschatz, LabPolicy::kBelady, slots));
  }
}

TEST(Sim, AnAnomalyIsNamed) {
  const ReadSequence sequence = Parse(kAnomalous);
  const Experiment experiment =
      RunExperiment(sequence, {.policies = {LabPolicy::kFifo, LabPolicy::kLru}, .slots = {1, 2, 3, 4, 5}});
  ASSERT_EQ(experiment.anomalies.size(), 1U);
  EXPECT_EQ(experiment.anomalies[0].policy, LabPolicy::kFifo);
  EXPECT_EQ(experiment.anomalies[0].fewer_slots, 3U);
  EXPECT_EQ(experiment.anomalies[0].more_slots, 4U);
  const std::string text = FormatSimText({.sequence = sequence, .experiment = experiment});
  EXPECT_NE(text.find("Belady's anomaly: fifo has 3 hits with 3 slots, and 2 with 4"), std::string::npos) << text;
}

TEST(Sim, ReferenceStringsComeInEachForm) {
  const auto parse = [](std::vector<std::string> words) { return ParseReferenceString(words); };
  const auto pages = [&](std::vector<std::string> words) {
    std::vector<uint32_t> numbers;
    const ReadSequence sequence = *parse(std::move(words));
    for (const LabRead& read : sequence.reads) numbers.push_back(read.page);
    return numbers;
  };
  const std::vector<uint32_t> expected = {0, 1, 0, 2};
  EXPECT_EQ(pages({"a", "b", "a", "c"}), expected);
  EXPECT_EQ(pages({"12 7,12 , 3"}), expected);
  EXPECT_EQ(pages({"1213"}), expected);
  EXPECT_EQ(parse({"a/b"}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(parse({" , "}).error().code, ErrorCode::kInvalid);
}

TEST(Sim, PagesAreNumberedAnewAndNeighboursStayNeighbours) {
  const std::vector<PlacedRead> reads = {{.place = 9 * kPageBytes + 8, .extent_bytes = 5, .wanted_bytes = 4},
                                         {.place = 3 * kPageBytes, .extent_bytes = 1, .wanted_bytes = 1},
                                         {.place = 10 * kPageBytes, .extent_bytes = 1, .wanted_bytes = 1}};
  const ReadSequence sequence = NumberPages(reads, 100);
  EXPECT_EQ(sequence.distinct_pages, 3U);
  EXPECT_EQ(sequence.reads[0], (LabRead{.page = 2, .begin = 8, .extent_bytes = 5, .wanted_bytes = 4}));
  EXPECT_EQ(sequence.reads[1].page, 0U);
  EXPECT_EQ(sequence.reads[2].page, 3U);
  EXPECT_EQ(sequence.page_numbers, 4U);
}

// Its tree is numbered anew many times meanwhile.
TEST(Sim, TheCurveOfAllSizesIsWhatEachSizeGives) {
  for (const uint64_t pages : {3U, 40U, 900U}) {
    const ReadSequence sequence = RandomReads(20'000, pages, pages);
    const LruCurve curve = MeasureLru(sequence);
    for (const uint64_t slots : {uint64_t{1}, pages / 3, pages / 2 + 1, pages, 2 * pages})
      EXPECT_EQ(curve.HitsWith(slots), CountLruHits(sequence, slots)) << pages << " " << slots;
    EXPECT_EQ(curve.first_reads, sequence.distinct_pages);
  }
}

TEST(Sim, TheMountsLruIsExactAsLongAsItLooksAtAllSlots) {
  const ReadSequence string = Parse("a b c d e f a c e b d f a a c c e e b a d c f e a d b c e f d a c b");
  for (const uint32_t slots : {1U, 2U, 3U, 5U})
    EXPECT_EQ(Replay(string, {.policy = LabPolicy::kLru, .slots = slots}).hits, CountLruHits(string, slots));
}

TEST(Sim, NothingHitsMoreOftenThanBelady) {
  const ReadSequence sequence = RandomReads(20'000, 300, 5);
  for (const uint32_t slots : {10U, 60U, 150U}) {
    const uint64_t most = Replay(sequence, {.policy = LabPolicy::kBelady, .slots = slots}).hits;
    for (const LabPolicy policy :
         {LabPolicy::kFifo, LabPolicy::kLru, LabPolicy::kClock, LabPolicy::kAuto, LabPolicy::kPlan})
      EXPECT_LE(Replay(sequence, {.policy = policy, .slots = slots}).hits, most) << NameOf(kLabPolicyNames, policy);
  }
}

// The farthest next use goes, by search.
TEST(Sim, BeladyIsTheOptimumOfRandomStrings) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const ReadSequence sequence = RandomReads(500, 4 + seed, seed);
    for (const size_t slots : {1U, 3U, 6U}) {
      std::vector<uint32_t> resident;
      uint64_t hits = 0;
      for (auto now = sequence.reads.begin(); now != sequence.reads.end(); ++now) {
        if (std::ranges::find(resident, now->page) != resident.end()) {
          ++hits;
          continue;
        }
        if (resident.size() == slots)
          resident.erase(std::ranges::max_element(resident, {}, [&](uint32_t page) {
            return std::find_if(now, sequence.reads.end(), [&](const LabRead& read) { return read.page == page; }) -
                   now;
          }));
        resident.push_back(now->page);
      }
      EXPECT_EQ(Replay(sequence, {.policy = LabPolicy::kBelady, .slots = static_cast<uint32_t>(slots)}).hits, hits);
    }
  }
}

TEST(Sim, AnExtentThatIsReadAloneCostsItsBytesAndIsKeptForAWhile) {
  const std::vector<PlacedRead> reads(3, {.place = 4096, .extent_bytes = 1000, .wanted_bytes = 1000});
  const ReadSequence sequence = NumberPages(reads, 10);
  const Tally tally =
      Replay(sequence, {.policy = LabPolicy::kLru, .slots = 4, .admission = AdmissionMode::kExtent, .slabs = 2});
  EXPECT_EQ(tally.bypasses, 1U);
  EXPECT_EQ(tally.hits, 2U);
  EXPECT_EQ(tally.volume_bytes, 1000U);
  EXPECT_DOUBLE_EQ(tally.cost_ns(2, 50), 2050);
}

TEST(Sim, ReadaheadMakesHitsOfASequentialRun) {
  std::vector<PlacedRead> reads;
  for (uint64_t at = 0; at < 200 * kPageBytes; at += kPageBytes / 4)
    reads.push_back({.place = at, .extent_bytes = kPageBytes / 4, .wanted_bytes = kPageBytes / 4});
  const ReadSequence sequence = NumberPages(reads, 200);
  const LabOptions options = {.policy = LabPolicy::kAuto, .slots = 32};
  LabOptions with_readahead = options;
  with_readahead.readahead = true;
  EXPECT_EQ(Replay(sequence, options).misses(), 200U);
  const Tally tally = Replay(sequence, with_readahead);
  EXPECT_LT(tally.misses(), 20U);
  EXPECT_EQ(tally.fills + tally.prefetches, 200U);
}

TEST(Sim, AdmissionReckonsWithThePricesOfTheTrace) {
  const CostModel model = ModelOf(3, 40'000);
  EXPECT_NEAR(model.ns_per_byte(), 3, 0.1);
  EXPECT_NEAR(model.ns_per_request(), 40'000, 1000);
}

TEST(Sim, AdviceIsTheLeastMemoryThatBringsNearlyAll) {
  // 90 % of the reads go round 4 pages, and one in ten to pages that come once.
  std::string text;
  for (int i = 0; i < 400; ++i) text += i % 10 == 9 ? fmt::format("x{} ", i) : fmt::format("{} ", i % 4);
  const ReadSequence sequence = Parse(text);
  const Advice advice = Advise(sequence, MeasureLru(sequence));
  EXPECT_GE(advice.slots, 4U);
  EXPECT_LE(advice.slots, 6U);
  EXPECT_EQ(advice.all_slots, 44U);
  const ReadSequence once = Parse("1 2 3 4");
  EXPECT_EQ(Advise(once, MeasureLru(once)).slots, 0U);
}

TEST(Sim, CacheSizeHasRoomForSlabsBesides) {
  EXPECT_EQ(CacheBytesFor(1), 4 * kPageBytes);
  EXPECT_EQ(CacheBytesFor(30), 32 * kPageBytes);
  EXPECT_EQ(CacheBytesFor(1000), 1016 * kPageBytes);
}

TEST(Sim, SlotsAreDrawnStepByStep) {
  EXPECT_EQ(DrawSlots(Parse("1 2 1 3"), {.policy = LabPolicy::kFifo, .slots = 2}, 80),
            "read      1  2  1  3\n"
            "slot 1   >1  1  1 >3\n"
            "slot 2      >2  2  2\n"
            "hit             +\n");
}

}  // namespace
}  // namespace quire::lab
