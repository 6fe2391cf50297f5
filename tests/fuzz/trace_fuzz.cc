// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a trace holds, what comes out of it keeps the bounds that its readers rely on, it is the same in
// whatever pieces it comes, and everything that reports on it or replays it ends, without a fault. The input is a
// trace. Sums would keep a fuzzer out, so they are made good first, of a copy.
#include <algorithm>
#include <vector>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/sim/experiment.h"
#include "tools/sim/sim_report.h"
#include "tools/trace/trace_insights.h"
#include "tools/trace/trace_report.h"

namespace quire {
namespace {

constexpr size_t kHeaderBytesAt = 12;
constexpr size_t kSumBytes = 8;
constexpr uint64_t kHeadFactor = 0x9e3779b97f4a7c15;  // fs/TRACES.md
constexpr uint32_t kMostFuzzedSlots = 64;

// As long as lengths make sense.
void MakeSumsGood(std::span<std::byte> bytes) {
  if (bytes.size() < kTraceChunkHeadBytes) return;
  const auto header_bytes = LoadUint<4>(bytes, kHeaderBytesAt);
  if (header_bytes < kTraceChunkHeadBytes + kSumBytes || header_bytes > bytes.size()) return;
  StoreUint<8>(bytes, header_bytes - kSumBytes, Xxh3(bytes.first(header_bytes - kSumBytes)));
  for (bytes = bytes.subspan(header_bytes); bytes.size() >= kTraceChunkHeadBytes;) {
    const auto payload_bytes = LoadUint<4>(bytes, 4);
    if (payload_bytes > bytes.size() - kTraceChunkHeadBytes) return;
    const auto payload = bytes.subspan(kTraceChunkHeadBytes, payload_bytes);
    StoreUint<8>(bytes, 8, Xxh3(payload) ^ (LoadUint<8>(bytes, 0) * kHeadFactor));
    bytes = bytes.subspan(kTraceChunkHeadBytes + payload_bytes);
  }
}

void CheckBounds(const lab::LoadedTrace& trace) {
  uint64_t last_ns = 0;
  for (const TraceRecord& record : trace.records) {
    Require(record.time_ns >= last_ns, "records are in the order of their times");
    last_ns = record.time_ns;
    Require(record.place / kPageBytes < trace.header.pages, "a place lies in the volumes");
    Require(record.place % kPageBytes + record.extent_bytes <= kPageBytes, "an extent lies in one page");
  }
}

void CheckInPieces(std::span<const std::byte> bytes, const lab::LoadedTrace& trace) {
  TraceDecoder decoder;
  size_t records = 0;
  for (size_t at = 0, piece = 1; at < bytes.size(); at += piece, piece = piece * 3 % 101 + 1) {
    const bool is_good = decoder.Feed(bytes.subspan(at, std::min(piece, bytes.size() - at))).has_value();
    records += decoder.TakeRecords().size();
    if (!is_good) break;
  }
  Require(records == trace.records.size() && decoder.lost() == trace.lost, "pieces give what the whole gives");
  Require(decoder.has_header() && decoder.header() == trace.header, "pieces give the same header");
}

void CheckReplays(const lab::LoadedTrace& trace) {
  const lab::ReadSequence sequence = lab::SequenceOf(trace);
  if (sequence.reads.empty()) return;
  const uint32_t slots = std::clamp<uint32_t>(trace.header.page_slots, 1, kMostFuzzedSlots);
  lab::ExperimentPlan plan;
  for (const auto& [name, policy] : lab::kLabPolicyNames) plan.policies.push_back(policy);
  plan.slots = {slots, slots + 1};
  plan.admission = trace.header.admission;
  plan.readahead = trace.header.readahead;
  plan.readers_keep = trace.header.readers_keep;
  const lab::Experiment experiment = lab::RunExperiment(sequence, plan);
  for (const lab::Trial& trial : experiment.trials) {
    Require(trial.tally.reads == sequence.reads.size(), "each read is one");
    Require(trial.tally.hits + trial.tally.misses() == trial.tally.reads, "a read is a hit or a miss");
  }
  Require(experiment.lru.first_reads == sequence.distinct_pages, "each page is read a first time");
  Require(experiment.lru.HitsWith(sequence.distinct_pages) + experiment.lru.first_reads == sequence.reads.size(),
          "with room for all, what is no first read is a hit");
  const lab::SimReport report = {
      .sequence = sequence, .experiment = experiment, .trace = &trace, .prices = lab::Prices{1, 80'000}};
  Require(!lab::FormatSimText(report).empty() && !FormatJson(lab::SimJson(report)).empty(), "it is reported");
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quire;
  std::vector<std::byte> bytes(size);
  std::copy_n(reinterpret_cast<const std::byte*>(data), size, bytes.begin());
  MakeSumsGood(bytes);
  const auto trace = lab::DecodeTrace(bytes);
  if (!trace) return 0;
  CheckBounds(*trace);
  CheckInPieces(bytes, *trace);
  CheckReplays(*trace);
  const auto insights = lab::AnalyseTrace(*trace, [](uint64_t node) { return node / 7; });
  Require(insights.reads == trace->records.size(), "every record is reported");
  const auto alternatives =
      lab::TryAlternatives(*trace, std::clamp<uint32_t>(trace->header.page_slots, 1, kMostFuzzedSlots));
  Require(!lab::FormatTraceText(*trace, insights, alternatives).empty(), "it is reported");
  Require(!FormatJson(lab::TraceJson(*trace, insights, alternatives)).empty(), "it is reported");
  return 0;
}
