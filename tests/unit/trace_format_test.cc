// SPDX-License-Identifier: Apache-2.0
// Goal: a trace comes back as it was written, whatever pieces it comes in; damaged bytes are refused, and what stands
// before them, or before a cut, is used.
#include "fs/trace/trace_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>
#include <thread>
#include <vector>

#include "cache/steady_clock.h"
#include "format/coding.h"
#include "format/pack/geometry.h"
#include "fs/trace/read_trace.h"
#include "tools/sim/trace_sequence.h"

namespace quire {
namespace {

const TraceHeader kHeader = {.began_ns = 1'000'000'000,
                             .page_bytes = kPageBytes,
                             .pages = 7,
                             .pack_bytes = 12'345'678,
                             .generation = 3,
                             .root_sum = 0x0123456789abcdef,
                             .samples = 40,
                             .stored_bytes = 12'000'000,
                             .page_slots = 30,
                             .slabs = 2,
                             .policy = PolicyKind::kLru,
                             .admission = AdmissionMode::kPage,
                             .push = PushMode::kOff,
                             .readahead = false,
                             .readers_keep = true,
                             .pack_path = "/data/one.quire"};

TraceRecord RecordNumber(uint64_t number) {
  return {.time_ns = number * 1000,
          .node = number % 40,
          .offset = number,
          .place = number % 7 * kPageBytes + 8 * number,
          .bytes = 100,
          .extent_bytes = 200,
          .latency_ns = 7000,
          .process = 4242,
          .level = static_cast<TraceLevel>(number % kTraceLevels),
          .source = static_cast<TraceSource>(number % kTraceSources)};
}

std::vector<TraceRecord> Records(uint64_t count) {
  std::vector<TraceRecord> records;
  for (uint64_t i = 0; i < count; ++i) records.push_back(RecordNumber(i));
  return records;
}

std::vector<std::byte> WholeTrace() {
  std::vector<std::byte> bytes = EncodeTraceHeader(kHeader);
  AppendTraceStats(TraceChunk::kStatsBegin, R"({"counters": {"hits": 1}, "cost_model": {}})", bytes);
  const auto records = Records(5);
  AppendTraceRecords(std::span(records).first(3), bytes);
  AppendTraceLost(9, bytes);
  AppendTraceRecords(std::span(records).subspan(3), bytes);
  AppendTraceStats(
      TraceChunk::kStatsEnd,
      R"({"counters": {"hits": 6, "bypasses": 2}, "cost_model": {"ns_per_byte": 0.5, "ns_per_request": 9}})", bytes);
  return bytes;
}

TEST(TraceFormat, ComesBackInWhateverPieces) {
  const auto bytes = WholeTrace();
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{100}, bytes.size()}) {
    TraceDecoder decoder;
    for (size_t at = 0; at < bytes.size(); at += piece)
      ASSERT_TRUE(decoder.Feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at))).has_value());
    EXPECT_EQ(decoder.header(), kHeader);
    EXPECT_EQ(decoder.TakeRecords(), Records(5));
    EXPECT_EQ(decoder.lost(), 9U);
    EXPECT_EQ(decoder.rest_bytes(), 0U);
  }
}

TEST(TraceFormat, EveryCutIsReadUpToTheCut) {
  const auto bytes = WholeTrace();
  size_t most = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto trace = lab::DecodeTrace(std::span(bytes).first(length));
    if (!trace) {
      EXPECT_LT(length, EncodeTraceHeader(kHeader).size());
      continue;
    }
    EXPECT_GE(trace->records.size(), most);
    most = trace->records.size();
    EXPECT_TRUE(std::ranges::equal(trace->records, Records(5) | std::views::take(most)));
  }
  EXPECT_EQ(most, 5U);
}

TEST(TraceFormat, EveryOneBitFlipIsNoticed) {
  const auto good = WholeTrace();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto trace = lab::DecodeTrace(bytes);
    EXPECT_TRUE(!trace || !trace->damage.empty()) << "bit " << bit;
  }
}

// With sums that are right: what a hostile writer makes.
TEST(TraceFormat, RecordsThatCannotBeAreRefused) {
  const auto refuses = [](const TraceRecord& record) {
    auto bytes = EncodeTraceHeader(kHeader);
    AppendTraceRecords(std::span(&record, 1), bytes);
    TraceDecoder decoder;
    return !decoder.Feed(bytes).has_value() && decoder.TakeRecords().empty();
  };
  EXPECT_FALSE(refuses(RecordNumber(1)));
  EXPECT_TRUE(refuses({.place = ~uint64_t{0}, .extent_bytes = 1}));
  EXPECT_TRUE(refuses({.place = kPageBytes - 1, .extent_bytes = 2}));
  EXPECT_TRUE(refuses({.extent_bytes = ~uint32_t{0}}));
  EXPECT_TRUE(refuses({.node = ~uint64_t{0}}));
  EXPECT_TRUE(refuses({.level = static_cast<TraceLevel>(kTraceLevels)}));
  EXPECT_TRUE(refuses({.source = static_cast<TraceSource>(kTraceSources)}));
}

TEST(TraceFormat, ThePackMayHaveGrownMeanwhile) {
  auto bytes = EncodeTraceHeader(kHeader);
  const std::vector<TraceRecord> records = {{.place = 9 * kPageBytes, .extent_bytes = 1}};
  AppendTraceRecords(records, bytes);
  TraceDecoder decoder;
  ASSERT_TRUE(decoder.Feed(bytes).has_value());
  EXPECT_EQ(decoder.TakeRecords(), records);
  EXPECT_EQ(decoder.header().pages, 10U);
}

TEST(TraceFormat, HeadersThatCannotBeAreRefused) {
  const auto refuses = [](const TraceHeader& header) {
    TraceDecoder decoder;
    return !decoder.Feed(EncodeTraceHeader(header)).has_value() && !decoder.has_header();
  };
  TraceHeader header = kHeader;
  EXPECT_FALSE(refuses(header));
  header.page_bytes = 4096;
  EXPECT_TRUE(refuses(header));
  header = kHeader;
  header.pages = ~uint64_t{0};
  EXPECT_TRUE(refuses(header));
  header = kHeader;
  header.policy = static_cast<PolicyKind>(200);
  EXPECT_TRUE(refuses(header));
  header = kHeader;
  header.page_slots = ~uint32_t{0};
  EXPECT_TRUE(refuses(header));
}

TEST(TraceFormat, AnotherMajorVersionIsAnotherRelease) {
  auto bytes = EncodeTraceHeader(kHeader);
  StoreUint<2>(bytes, 8, 3);
  TraceDecoder decoder;
  EXPECT_EQ(decoder.Feed(bytes).error().code, ErrorCode::kUnsupported);
}

TEST(TraceFormat, UnknownChunksArePassedOver) {
  auto bytes = EncodeTraceHeader(kHeader);
  AppendTraceStats(static_cast<TraceChunk>(0x12345678), "of a later release", bytes);
  const auto records = Records(2);
  AppendTraceRecords(records, bytes);
  TraceDecoder decoder;
  EXPECT_TRUE(decoder.Feed(bytes).has_value());
  EXPECT_EQ(decoder.TakeRecords(), records);
}

TEST(TraceFormat, WhatTheMountCountedIsTheDifferenceOfItsStats) {
  const auto trace = lab::DecodeTrace(WholeTrace());
  ASSERT_TRUE(trace && trace->counts);
  EXPECT_EQ(trace->counts->hits, 5U);
  EXPECT_EQ(trace->counts->bypasses, 2U);
  EXPECT_FALSE(trace->counts->is_cold);
  EXPECT_EQ(trace->ns_per_byte, 0.5);
  EXPECT_EQ(trace->ns_per_request, 9);
}

TEST(TraceFormat, StatsThatAreNoneAreLeftAlone) {
  for (const char* stats : {"", "{", "[]", R"({"counters": 7, "cost_model": []})", R"({"counters": {"hits": "x"}})",
                            R"({"counters": {"hits": -1e300}, "cost_model": {"ns_per_byte": 1e300}})"}) {
    auto bytes = EncodeTraceHeader(kHeader);
    AppendTraceStats(TraceChunk::kStatsBegin, stats, bytes);
    AppendTraceStats(TraceChunk::kStatsEnd, stats, bytes);
    EXPECT_TRUE(lab::DecodeTrace(bytes).has_value()) << stats;
  }
}

TEST(ReadTrace, GivesWhatWasAddedInItsOrder) {
  ReadTrace trace;
  EXPECT_FALSE(trace.is_on());
  ASSERT_TRUE(trace.SwitchOn());
  EXPECT_TRUE(trace.is_on());
  for (uint64_t node = 0; node < 1000; ++node) trace.Add({.node = node}, NowNs());
  std::vector<TraceRecord> records;
  trace.Take(records, 600);
  trace.Take(records, 600);
  ASSERT_EQ(records.size(), 1000U);
  for (uint64_t node = 0; node < 1000; ++node) EXPECT_EQ(records[node].node, node);
  EXPECT_EQ(trace.TakeLost(), 0U);
}

TEST(ReadTrace, WhereItIsFullRecordsAreLostAndCounted) {
  ReadTrace trace;
  ASSERT_TRUE(trace.SwitchOn());
  for (uint64_t node = 0; node < ReadTrace::kRecords + 5; ++node) trace.Add({.node = node}, NowNs());
  EXPECT_EQ(trace.TakeLost(), 5U);
  std::vector<TraceRecord> records;
  trace.Take(records, ReadTrace::kRecords + 5);
  EXPECT_EQ(records.size(), ReadTrace::kRecords);
  trace.Add({.node = 7}, NowNs());
  records.clear();
  trace.Take(records, 10);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].node, 7U);
}

TEST(ReadTrace, NothingIsLeftOfTheRecordingBefore) {
  ReadTrace trace;
  ASSERT_TRUE(trace.SwitchOn());
  trace.Add({.node = 1}, NowNs());
  trace.SwitchOff();
  ASSERT_TRUE(trace.SwitchOn());
  std::vector<TraceRecord> records;
  trace.Take(records, 10);
  EXPECT_TRUE(records.empty());
}

// Each record comes once, whole, and those of one thread in its order, or is counted as lost.
TEST(ReadTrace, ManyThreadsAddWhileOneTakes) {
  constexpr uint32_t kThreads = 4;
  constexpr uint64_t kEach = 100'000;
  ReadTrace trace;
  ASSERT_TRUE(trace.SwitchOn());
  std::atomic<uint32_t> running = kThreads;
  std::vector<std::jthread> threads;
  for (uint32_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (uint64_t i = 1; i <= kEach; ++i) trace.Add({.node = i, .offset = i * 3, .process = thread}, NowNs());
      --running;
    });
  std::array<uint64_t, kThreads> last = {};
  uint64_t taken = 0;
  std::vector<TraceRecord> records;
  do {
    const bool is_end = running == 0;
    records.clear();
    trace.Take(records, ReadTrace::kRecords);
    for (const TraceRecord& record : records) {
      ASSERT_EQ(record.offset, record.node * 3);
      ASSERT_GT(record.node, last.at(record.process));
      last.at(record.process) = record.node;
    }
    taken += records.size();
    if (is_end && records.empty()) break;
  } while (true);
  EXPECT_EQ(taken + trace.TakeLost(), kThreads * kEach);
}

}  // namespace
}  // namespace quire
