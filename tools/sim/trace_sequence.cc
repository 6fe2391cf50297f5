// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/trace_sequence.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "format/escaping.h"
#include "format/file.h"
#include "fs/json_text.h"

namespace quire::lab {
namespace {

constexpr size_t kReadBytes = 1 << 20;

struct StatsFigures {
  double ns_per_byte = 0;
  double ns_per_request = 0;
  LoadedTrace::MountCounts counts;
};

// Of `.quire/stats`, which lies in a trace as anybody may have written it.
std::optional<StatsFigures> ParseStats(const std::string& text) {
  const Json stats = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!stats.is_object() || !stats.contains("cost_model") || !stats.contains("counters")) return std::nullopt;
  const auto number = [](const Json& object, const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0.0;
  };
  const Json& counters = stats["counters"];
  const auto count = [&](const char* key) {
    return static_cast<uint64_t>(std::clamp(number(counters, key), 0.0, 1e18));
  };
  return StatsFigures{.ns_per_byte = std::clamp(number(stats["cost_model"], "ns_per_byte"), 0.0, 1e12),
                      .ns_per_request = std::clamp(number(stats["cost_model"], "ns_per_request"), 0.0, 1e15),
                      .counts = {.hits = count("hits"),
                                 .joined = count("joined"),
                                 .fill_misses = count("fill_misses"),
                                 .bypasses = count("bypasses"),
                                 .volume_bytes = count("volume_bytes")}};
}

void UseStats(const TraceDecoder& decoder, LoadedTrace& trace) {
  const auto begin = ParseStats(decoder.stats_at_begin());
  const auto end = ParseStats(decoder.stats_at_end());
  const auto& costs = end ? end : begin;
  if (costs && costs->ns_per_byte > 0 && costs->ns_per_request > 0) {
    trace.ns_per_byte = costs->ns_per_byte;
    trace.ns_per_request = costs->ns_per_request;
  }
  if (!begin || !end) return;
  const auto since = [](uint64_t now, uint64_t then) { return now - std::min(now, then); };
  trace.counts = {.hits = since(end->counts.hits, begin->counts.hits),
                  .joined = since(end->counts.joined, begin->counts.joined),
                  .fill_misses = since(end->counts.fill_misses, begin->counts.fill_misses),
                  .bypasses = since(end->counts.bypasses, begin->counts.bypasses),
                  .volume_bytes = since(end->counts.volume_bytes, begin->counts.volume_bytes),
                  .is_cold = begin->counts.reads() == 0};
}

void TakeFrom(TraceDecoder& decoder, LoadedTrace& trace) {
  auto records = decoder.TakeRecords();
  trace.records.insert(trace.records.end(), records.begin(), records.end());
}

Result<LoadedTrace> Finish(TraceDecoder& decoder, const Result<void>& fed, LoadedTrace trace) {
  if (!decoder.has_header() && !fed) return std::unexpected(fed.error());
  if (!decoder.has_header()) return Corrupt("trace: it ends before its header does");
  TakeFrom(decoder, trace);
  trace.header = decoder.header();
  trace.lost = decoder.lost();
  if (!fed) trace.damage = fed.error().message;
  if (fed && decoder.rest_bytes() > 0) trace.damage = "it was cut off";
  UseStats(decoder, trace);
  std::ranges::stable_sort(trace.records, {}, &TraceRecord::time_ns);
  return trace;
}

}  // namespace

Result<LoadedTrace> DecodeTrace(std::span<const std::byte> bytes) {
  TraceDecoder decoder;
  const auto fed = decoder.Feed(bytes);
  return Finish(decoder, fed, {});
}

Result<LoadedTrace> LoadTrace(const std::string& path) {
  const auto file = File::Open(path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  struct stat status = {};
  if (fstat(file->fd(), &status) != 0 || !S_ISREG(status.st_mode))
    return Invalid("'{}' is no regular file", EscapeName(path));
  TraceDecoder decoder;
  LoadedTrace trace;
  std::vector<std::byte> bytes(kReadBytes);
  Result<void> fed;
  for (uint64_t offset = 0; fed;) {
    const auto count = file->ReadUpTo(offset, bytes);
    if (!count) return std::unexpected(count.error());
    if (*count == 0) break;
    fed = decoder.Feed(std::span(bytes).first(*count));
    if (trace.records.size() >= kMostReads)
      return Unsupported("'{}': more than {} reads", EscapeName(path), kMostReads);
    TakeFrom(decoder, trace);
    offset += *count;
  }
  auto finished = Finish(decoder, fed, std::move(trace));
  if (!finished) return MakeError(finished.error().code, "'{}': {}", EscapeName(path), finished.error().message);
  return finished;
}

// Busy times of requests of two sizes leave nothing open.
CostModel ModelOf(double ns_per_byte, double ns_per_request) {
  constexpr int kLessons = 500;  // the past is forgotten with a half-life of 50
  CostModel model;
  for (int i = 0; i < kLessons; ++i)
    for (const double bytes : {4096.0, static_cast<double>(kPageBytes)})
      model.Learn(ns_per_request + ns_per_byte * bytes, 1, bytes);
  return model;
}

ReadSequence SequenceOf(const LoadedTrace& trace) {
  std::vector<PlacedRead> reads;
  reads.reserve(trace.records.size());
  for (const TraceRecord& record : trace.records)
    if (record.extent_bytes > 0 && record.level != TraceLevel::kFailed)
      reads.push_back({.place = record.place, .extent_bytes = record.extent_bytes, .wanted_bytes = record.bytes});
  return NumberPages(reads, trace.header.pages);
}

}  // namespace quire::lab
