// SPDX-License-Identifier: Apache-2.0
// Goal: epochs and their orders are told apart as a person would who knew how the samples were drawn.
#include "tools/trace/trace_insights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "tools/trace/trace_report.h"

namespace quire::lab {
namespace {

constexpr uint64_t kSamples = 2000;
constexpr uint64_t kInPage = 20;     // samples of a page
constexpr uint64_t kInFolder = 100;  // every hundredth page's worth: folders lie across pages
constexpr uint32_t kSampleBytes = 100'000;

std::vector<uint64_t> PackOrder() {
  std::vector<uint64_t> order(kSamples);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<uint64_t> Shuffled(std::vector<uint64_t> order, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::ranges::shuffle(order, random);
  return order;
}

// Groups of samples that belong together, in random order, each in random order.
std::vector<uint64_t> ShuffledInGroups(const std::function<uint64_t(uint64_t)>& group_of, uint64_t seed) {
  std::vector<uint64_t> order = Shuffled(PackOrder(), seed);
  std::ranges::stable_sort(order, {}, [&](uint64_t node) { return group_of(node) * 7919 % 104'729; });
  return order;
}

uint64_t FolderOf(uint64_t node) { return node % (kSamples / kInFolder); }  // samples of a folder lie far apart

LoadedTrace TraceOf(const std::vector<std::vector<uint64_t>>& epochs) {
  LoadedTrace trace;
  trace.header.pages = kSamples / kInPage;
  trace.header.samples = kSamples;
  trace.header.page_slots = 20;
  trace.header.admission = AdmissionMode::kPage;
  trace.header.readahead = false;
  uint64_t now_ns = 0;
  for (const auto& epoch : epochs)
    for (const uint64_t node : epoch)
      trace.records.push_back({.time_ns = now_ns += 1000,
                               .node = node,
                               .place = node / kInPage * kPageBytes + node % kInPage * kSampleBytes,
                               .bytes = kSampleBytes,
                               .extent_bytes = kSampleBytes,
                               .latency_ns = 1000,
                               .process = 1 + static_cast<uint32_t>(node % 2)});
  return trace;
}

EpochOrder OrderOf(const std::vector<uint64_t>& order) {
  const auto insights = AnalyseTrace(TraceOf({order}), FolderOf);
  EXPECT_EQ(insights.epochs.size(), 1U);
  return insights.epochs.at(0).order;
}

TEST(TraceInsights, OrdersAreToldApart) {
  EXPECT_EQ(OrderOf(PackOrder()), EpochOrder::kSequential);
  EXPECT_EQ(OrderOf(Shuffled(PackOrder(), 1)), EpochOrder::kShuffled);
  EXPECT_EQ(OrderOf(ShuffledInGroups([](uint64_t node) { return node / kInPage; }, 2)), EpochOrder::kPageByPage);
  EXPECT_EQ(OrderOf(ShuffledInGroups(FolderOf, 3)), EpochOrder::kByClass);
}

TEST(TraceInsights, ReadersSideBySideAreSequentialAndAShuffleBufferIsNearlySo) {
  std::vector<uint64_t> side_by_side = PackOrder();
  for (size_t at = 0; at + 32 <= side_by_side.size(); at += 32)
    std::ranges::copy(Shuffled({side_by_side.begin() + static_cast<int64_t>(at),
                                side_by_side.begin() + static_cast<int64_t>(at) + 32},
                               at),
                      side_by_side.begin() + static_cast<int64_t>(at));
  EXPECT_EQ(OrderOf(side_by_side), EpochOrder::kSequential);
  std::vector<uint64_t> buffered;
  std::vector<uint64_t> buffer;
  std::mt19937_64 random(5);
  for (const uint64_t node : PackOrder()) {
    buffer.push_back(node);
    if (buffer.size() < 300) continue;
    std::swap(buffer[random() % buffer.size()], buffer.back());
    buffered.push_back(buffer.back());
    buffer.pop_back();
  }
  buffered.insert(buffered.end(), buffer.begin(), buffer.end());
  EXPECT_EQ(OrderOf(buffered), EpochOrder::kNearlySequential);
}

TEST(TraceInsights, EpochsAreFoundWhereTheyOverlap) {
  std::vector<uint64_t> first = Shuffled(PackOrder(), 1);
  std::vector<uint64_t> second = Shuffled(PackOrder(), 2);
  // One of two readers is ten samples behind.
  std::vector<uint64_t> all = first;
  all.insert(all.end(), second.begin(), second.end());
  std::rotate(all.begin() + kSamples - 10, all.begin() + kSamples, all.begin() + kSamples + 10);
  all.insert(all.end(), first.begin(), first.begin() + 50);
  const TraceInsights insights = AnalyseTrace(TraceOf({all}), FolderOf);
  ASSERT_EQ(insights.epochs.size(), 2U);
  EXPECT_EQ(insights.epochs[0].samples, kSamples);
  EXPECT_EQ(insights.epochs[1].samples, kSamples);
  EXPECT_FALSE(insights.epochs[1].is_order_repeated);
  EXPECT_EQ(insights.further_samples, 50U);
  EXPECT_EQ(insights.processes, 2U);
}

TEST(TraceInsights, AnOrderThatIsRepeatedIsSeen) {
  const auto order = Shuffled(PackOrder(), 1);
  const TraceInsights insights = AnalyseTrace(TraceOf({order, order}), FolderOf);
  ASSERT_EQ(insights.epochs.size(), 2U);
  EXPECT_TRUE(insights.epochs[1].is_order_repeated);
}

TEST(TraceInsights, TheOrderReadIsThatOfFirstReads) {
  EXPECT_EQ(OrderRead(TraceOf({{5, 3, 9}, {9, 1, 5}})), (std::vector<uint64_t>{5, 3, 9, 1}));
}

// An order that comes again is worth packing in, one that does not is worth nothing.
TEST(TraceInsights, PackingInTheOrderReadHelpsWhereItComesAgain) {
  const auto order = Shuffled(PackOrder(), 1);
  const auto misses_of = [](const LoadedTrace& trace, const std::string& name) {
    for (const Alternative& one : TryAlternatives(trace, 20))
      if (one.name == name) return one.tally.misses();
    return uint64_t{0};
  };
  const LoadedTrace same = TraceOf({order, order});
  EXPECT_EQ(misses_of(same, "order"), 2 * kSamples / kInPage);
  EXPECT_GT(misses_of(same, "as_it_is"), 10 * misses_of(same, "order"));
  EXPECT_LT(misses_of(same, "plan"), misses_of(same, "as_it_is"));
  EXPECT_EQ(misses_of(same, "memory_all"), kSamples / kInPage);
  const LoadedTrace different = TraceOf({order, Shuffled(order, 2)});
  EXPECT_GT(misses_of(different, "order"), misses_of(different, "as_it_is") / 3);
}

TEST(TraceInsights, OfNothingThereIsNothing) {
  const LoadedTrace trace = TraceOf({});
  const TraceInsights insights = AnalyseTrace(trace, nullptr);
  EXPECT_TRUE(insights.epochs.empty());
  EXPECT_TRUE(TryAlternatives(trace, 20).empty());
  EXPECT_FALSE(FormatTraceText(trace, insights, {}).empty());
}

}  // namespace
}  // namespace quire::lab
