// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/trace_insights.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "format/rounding.h"

namespace quire::lab {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr size_t kIntervals = 12;  // lines on a screen
constexpr double kSequentialShare = 0.02;
constexpr double kNearlyShare = 1.0 / 6;
constexpr uint64_t kShareOfEpoch = 10;
constexpr uint64_t kExtentAlign = 8;  // as packers lay out extents

struct SampleEvent {
  uint64_t node = 0;
  uint64_t place = 0;
  uint64_t time_ns = 0;
};

double Seconds(uint64_t ns) { return static_cast<double>(ns) / kNsPerSecond; }

// Each time that a sample is begun. A process that begins the same one again at once, as those do that look at its
// first bytes, has read it once.
template <typename Visit>
void ForEachSampleRead(const LoadedTrace& trace, const Visit& visit) {
  std::unordered_map<uint32_t, uint64_t> last_of_process;
  for (const TraceRecord& record : trace.records) {
    if (record.offset != 0 || record.level == TraceLevel::kFailed) continue;
    const auto [last, is_new] = last_of_process.try_emplace(record.process, record.node);
    if (!is_new && last->second == record.node) continue;
    last->second = record.node;
    visit(SampleEvent{.node = record.node, .place = record.place, .time_ns = record.time_ns});
  }
}

double ShareLike(const std::vector<SampleEvent>& events, const auto& key_of) {
  if (events.size() < 2) return 0;
  uint64_t like = 0;
  for (size_t i = 1; i < events.size(); ++i) like += key_of(events[i]) == key_of(events[i - 1]) ? 1 : 0;
  return static_cast<double>(like) / static_cast<double>(events.size() - 1);
}

// How far samples are from their places in the order of the pack, on average, as a share of all.
double MeanDisplacement(const std::vector<SampleEvent>& events) {
  std::vector<uint32_t> by_place(events.size());
  for (uint32_t i = 0; i < by_place.size(); ++i) by_place[i] = i;
  std::ranges::sort(by_place, {}, [&](uint32_t i) { return std::pair(events[i].place, i); });
  double sum = 0;
  for (uint32_t rank = 0; rank < by_place.size(); ++rank)
    sum += std::abs(static_cast<double>(rank) - static_cast<double>(by_place[rank]));
  const auto count = static_cast<double>(events.size());
  return events.empty() ? 0 : sum / count / count;
}

EpochOrder OrderOf(const std::vector<SampleEvent>& events, const std::function<uint64_t(uint64_t)>& folder_of) {
  const double displacement = MeanDisplacement(events);
  if (displacement <= kSequentialShare) return EpochOrder::kSequential;
  const auto page_of = [](const SampleEvent& event) { return event.place / kPageBytes; };
  if (ShareLike(events, page_of) > 0.5) return EpochOrder::kPageByPage;
  if (folder_of) {
    std::unordered_map<uint64_t, uint64_t> in_folder;
    std::vector<uint64_t> folders;
    for (const SampleEvent& event : events) {
      folders.push_back(folder_of(event.node));
      ++in_folder[folders.back()];
    }
    double chance = 0;
    for (const auto& [folder, count] : in_folder)
      chance += std::pow(static_cast<double>(count) / static_cast<double>(events.size()), 2);
    uint64_t like = 0;
    for (size_t i = 1; i < folders.size(); ++i) like += folders[i] == folders[i - 1] ? 1 : 0;
    const double share = static_cast<double>(like) / static_cast<double>(std::max<size_t>(events.size() - 1, 1));
    if (share > 0.5 && share > 2 * chance) return EpochOrder::kByClass;
  }
  return displacement <= kNearlyShare ? EpochOrder::kNearlySequential : EpochOrder::kShuffled;
}

// Whether most samples have the same one behind them as in the epoch before.
bool RepeatsOrder(const std::vector<SampleEvent>& before, const std::vector<SampleEvent>& now) {
  std::unordered_map<uint64_t, uint64_t> behind;
  for (size_t i = 1; i < before.size(); ++i) behind[before[i - 1].node] = before[i].node;
  uint64_t same = 0;
  for (size_t i = 1; i < now.size(); ++i) {
    const auto found = behind.find(now[i - 1].node);
    same += found != behind.end() && found->second == now[i].node ? 1 : 0;
  }
  return now.size() > 1 && same * 2 > now.size();
}

void FindEpochs(const LoadedTrace& trace, const std::function<uint64_t(uint64_t)>& folder_of, TraceInsights& insights) {
  std::unordered_map<uint64_t, uint32_t> times_read;
  std::vector<std::vector<SampleEvent>> epochs;
  ForEachSampleRead(trace, [&](const SampleEvent& event) {
    const uint32_t epoch = times_read[event.node]++;
    if (epoch >= epochs.size()) epochs.emplace_back();
    epochs[epoch].push_back(event);
  });
  size_t most = 0;
  for (const auto& events : epochs) most = std::max(most, events.size());
  const std::vector<SampleEvent>* before = nullptr;
  for (const auto& events : epochs) {
    if (events.size() * kShareOfEpoch <= most) {
      insights.further_samples += events.size();
      continue;
    }
    insights.epochs.push_back({.begin_s = Seconds(events.front().time_ns),
                               .end_s = Seconds(events.back().time_ns),
                               .samples = events.size(),
                               .order = OrderOf(events, folder_of),
                               .is_order_repeated = before != nullptr && RepeatsOrder(*before, events)});
    before = &events;
  }
}

// Figures of the records by one of their fields.
template <size_t kKinds, typename Kind>
std::array<LevelFigures, kKinds> CountBy(Kind TraceRecord::* field, const std::vector<TraceRecord>& records) {
  std::array<LevelFigures, kKinds> figures;
  std::array<std::vector<uint32_t>, kKinds> latencies;
  for (const TraceRecord& record : records) {
    const auto kind = static_cast<size_t>(record.*field);
    ++figures[kind].reads;
    figures[kind].bytes += record.bytes;
    latencies[kind].push_back(record.latency_ns);
  }
  for (size_t kind = 0; kind < kKinds; ++kind) {
    auto& all = latencies[kind];
    if (all.empty()) continue;
    const auto percentile = [&](size_t percent) {
      const auto at = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) * percent / 100);
      std::ranges::nth_element(all, at);
      return *at;
    };
    figures[kind].p50_ns = percentile(50);
    figures[kind].p99_ns = percentile(99);
  }
  return figures;
}

void CountReads(const LoadedTrace& trace, TraceInsights& insights) {
  std::unordered_set<uint32_t> processes;
  for (const TraceRecord& record : trace.records) {
    ++insights.reads;
    insights.bytes += record.bytes;
    processes.insert(record.process);
  }
  insights.processes = processes.size();
  insights.levels = CountBy<kTraceLevels>(&TraceRecord::level, trace.records);
  insights.sources = CountBy<kTraceSources>(&TraceRecord::source, trace.records);
}

void FindIntervals(const LoadedTrace& trace, TraceInsights& insights) {
  if (trace.records.empty()) return;
  const uint64_t begin_ns = trace.records.front().time_ns;
  const uint64_t length_ns = std::max<uint64_t>((trace.records.back().time_ns - begin_ns) / kIntervals + 1, 1);
  std::unordered_set<uint64_t> known;
  std::unordered_set<uint64_t> now;
  for (size_t i = 0; i < kIntervals; ++i)
    insights.intervals.push_back({.begin_s = Seconds(i * length_ns), .end_s = Seconds((i + 1) * length_ns)});
  size_t at = 0;
  for (const TraceRecord& record : trace.records) {
    const auto interval = static_cast<size_t>((record.time_ns - begin_ns) / length_ns);
    if (interval != at) now.clear();
    at = interval;
    Interval& figures = insights.intervals[interval];
    ++figures.reads;
    figures.bytes += record.bytes;
    if (record.extent_bytes == 0) continue;
    const uint64_t page = record.place / kPageBytes;
    figures.pages += now.insert(page).second ? 1 : 0;
    figures.new_pages += known.insert(page).second ? 1 : 0;
  }
}

}  // namespace

TraceInsights AnalyseTrace(const LoadedTrace& trace, const std::function<uint64_t(uint64_t node)>& folder_of) {
  TraceInsights insights;
  if (!trace.records.empty()) insights.seconds = Seconds(trace.records.back().time_ns - trace.records.front().time_ns);
  CountReads(trace, insights);
  FindEpochs(trace, folder_of, insights);
  FindIntervals(trace, insights);
  const ReadSequence sequence = SequenceOf(trace);
  insights.distinct_pages = sequence.distinct_pages;
  insights.reuse = MeasureLru(sequence);
  return insights;
}

std::vector<uint64_t> OrderRead(const LoadedTrace& trace) {
  std::vector<uint64_t> order;
  std::unordered_set<uint64_t> seen;
  for (const TraceRecord& record : trace.records)
    if (record.level != TraceLevel::kFailed && seen.insert(record.node).second) order.push_back(record.node);
  return order;
}

ReadSequence SequenceInOrderRead(const LoadedTrace& trace) {
  std::unordered_map<uint64_t, uint64_t> new_place;
  uint64_t end = 0;
  std::vector<PlacedRead> reads;
  reads.reserve(trace.records.size());
  for (const TraceRecord& record : trace.records) {
    if (record.extent_bytes == 0 || record.level == TraceLevel::kFailed) continue;
    const auto [found, is_new] = new_place.try_emplace(record.place, 0);
    if (is_new) {
      uint64_t place = AlignUp(end, kExtentAlign);
      if (place % kPageBytes + record.extent_bytes > kPageBytes) place = AlignUp(place, kPageBytes);
      found->second = place;
      end = place + record.extent_bytes;
    }
    // Of one place a hostile trace may tell several lengths.
    const uint64_t room_bytes = kPageBytes - found->second % kPageBytes;
    reads.push_back({.place = found->second,
                     .extent_bytes = static_cast<uint32_t>(std::min<uint64_t>(record.extent_bytes, room_bytes)),
                     .wanted_bytes = record.bytes});
  }
  return NumberPages(reads, trace.header.pages);
}

}  // namespace quire::lab
