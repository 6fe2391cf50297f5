// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/trace_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "format/escaping.h"
#include "tools/bench/axis.h"
#include "tools/progress.h"
#include "tools/sim/experiment.h"

namespace quire::lab {
namespace {

constexpr int kSchema = 1;
constexpr double kNsPerSecond = 1e9;
// How soon pages are read again: the distances that these shares of the reads have at most.
constexpr double kShownShares[] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.99};

std::string Time(double ns) { return bench::FormatValue(ns / kNsPerSecond, bench::Unit::kSeconds); }

std::string Share(uint64_t part, uint64_t whole) {
  return fmt::format("{:.1f} %", whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole));
}

// A row for each kind that there was. `what`: the heading of their names.
std::string FormatFigures(const char* what, std::span<const LevelFigures> kinds, std::span<const char* const> names,
                          const TraceInsights& insights) {
  std::string text =
      fmt::format("{:<8}{:>12}{:>9}{:>12}{:>12}{:>12}\n", what, "reads", "", "bytes", "half within", "99 % within");
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    const LevelFigures& figures = kinds[kind];
    if (figures.reads == 0) continue;
    text += fmt::format("{:<8}{:>12}{:>9}{:>12}{:>12}{:>12}\n", names[kind], FormatCount(figures.reads),
                        Share(figures.reads, insights.reads), FormatBytes(figures.bytes),
                        Time(static_cast<double>(figures.p50_ns)), Time(static_cast<double>(figures.p99_ns)));
  }
  return text;
}

// Where what was waited for came from: a table where a tier or neighbours brought some of it.
std::string FormatSources(const TraceInsights& insights) {
  const auto reads_of = [&](TraceSource source) { return insights.sources[static_cast<size_t>(source)].reads; };
  if (reads_of(TraceSource::kTier) + reads_of(TraceSource::kPeers) == 0) return "";
  return FormatFigures("from", insights.sources, kTraceSourceNames, insights) + "\n";
}

Json FiguresJson(std::span<const LevelFigures> kinds, std::span<const char* const> names) {
  Json object = Json::object();
  for (size_t kind = 0; kind < kinds.size(); ++kind)
    object[names[kind]] = {{"reads", kinds[kind].reads},
                           {"bytes", kinds[kind].bytes},
                           {"p50_ns", kinds[kind].p50_ns},
                           {"p99_ns", kinds[kind].p99_ns}};
  return object;
}

std::string FormatEpochs(const LoadedTrace& trace, const TraceInsights& insights) {
  std::string text;
  for (size_t i = 0; i < insights.epochs.size(); ++i) {
    const Epoch& epoch = insights.epochs[i];
    text += fmt::format("Epoch {}: {} of {} samples, from {:.2f} to {:.2f} s, {}{}\n", i + 1,
                        FormatCount(epoch.samples), FormatCount(trace.header.samples), epoch.begin_s, epoch.end_s,
                        kEpochOrderNames[static_cast<size_t>(epoch.order)],
                        epoch.is_order_repeated ? ", in the order of the one before" : "");
  }
  if (insights.further_samples > 0)
    text += fmt::format("{} samples more were read again\n", FormatCount(insights.further_samples));
  return text;
}

std::string FormatIntervals(const TraceInsights& insights) {
  std::string text = fmt::format("{:>9}{:>10}{:>12}{:>14}{:>12}\n", "until s", "reads", "bytes", "working set", "new");
  for (const Interval& interval : insights.intervals)
    text += fmt::format("{:>9.2f}{:>10}{:>12}{:>14}{:>12}\n", interval.end_s, FormatCount(interval.reads),
                        FormatBytes(interval.bytes), FormatBytes(interval.pages * kPageBytes),
                        FormatBytes(interval.new_pages * kPageBytes));
  return text;
}

std::string FormatReuse(const TraceInsights& insights) {
  const LruCurve& reuse = insights.reuse;
  std::string text = fmt::format("Of {} reads {} were the first of their page.", FormatCount(reuse.reads),
                                 FormatCount(reuse.first_reads));
  if (reuse.HitsWith(insights.distinct_pages) == 0) return text + " No page was read again.\n";
  text += " Of the others so many came again before so many different bytes of pages had been used:\n";
  for (const double share : kShownShares)
    text += fmt::format("{:>7.0f} %{:>12}\n", share * 100, FormatBytes(reuse.DistanceOf(share) * kPageBytes));
  return text;
}

std::string FormatAlternatives(const std::vector<Alternative>& alternatives) {
  std::string text = fmt::format("{:<46}{:>9}{:>12}{:>12}{:>12}\n", "", "hits", "misses", "from disk", "disk time");
  for (const Alternative& one : alternatives)
    text += fmt::format("{:<46}{:>9}{:>12}{:>12}{:>12}\n", one.what, Share(one.tally.hits, one.tally.reads),
                        FormatCount(one.tally.misses()), FormatBytes(one.tally.volume_bytes), Time(one.cost_ns));
  return text;
}

}  // namespace

std::vector<Alternative> TryAlternatives(const LoadedTrace& trace, uint32_t slots) {
  const CostModel first;
  const double ns_per_byte = trace.ns_per_byte.value_or(first.ns_per_byte());
  const double ns_per_request = trace.ns_per_request.value_or(first.ns_per_request());
  std::vector<Alternative> alternatives;
  const auto try_one = [&](const ReadSequence& sequence, LabPolicy policy, uint64_t wanted, std::string name,
                           std::string what) {
    const auto count = static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 1, kMaxLabSlots));
    const Tally tally = Replay(sequence, {.policy = policy,
                                          .slots = count,
                                          .admission = trace.header.admission,
                                          .slabs = static_cast<uint32_t>(CacheBytesFor(count) / kPageBytes - count),
                                          .readahead = trace.header.readahead,
                                          .readers_keep = trace.header.readers_keep,
                                          .costs = ModelOf(ns_per_byte, ns_per_request)});
    alternatives.push_back({.name = std::move(name),
                            .what = std::move(what),
                            .slots = count,
                            .tally = tally,
                            .cost_ns = tally.cost_ns(ns_per_byte, ns_per_request)});
  };
  const ReadSequence sequence = SequenceOf(trace);
  if (sequence.reads.empty()) return alternatives;
  const auto policy = [&] {
    switch (trace.header.policy) {
      case PolicyKind::kLru:
        return LabPolicy::kLru;
      case PolicyKind::kFifo:
        return LabPolicy::kFifo;
      case PolicyKind::kPin:
        return LabPolicy::kPin;
      default:
        return LabPolicy::kAuto;
    }
  }();
  const auto memory = [&](uint64_t count) { return FormatBytes(count * kPageBytes); };
  try_one(sequence, policy, slots, "as_it_is", fmt::format("as it is, {} for pages", memory(slots)));
  try_one(sequence, LabPolicy::kPlan, slots, "plan", "told the order by .quire/plan");
  try_one(SequenceInOrderRead(trace), policy, slots, "order", "packed in the order read (--order)");
  try_one(sequence, policy, uint64_t{slots} * 2, "memory_2x", fmt::format("twice the memory, {}", memory(slots * 2)));
  try_one(sequence, policy, sequence.distinct_pages, "memory_all",
          fmt::format("memory for all that was read, {}", memory(sequence.distinct_pages)));
  return alternatives;
}

std::string FormatTraceText(const LoadedTrace& trace, const TraceInsights& insights,
                            const std::vector<Alternative>& alternatives) {
  std::string text =
      fmt::format("{}: {} by {} in {:.2f} s, {} of {} pages\n", EscapeName(trace.header.pack_path),
                  FormatAmount(insights.reads, "read", "reads"), FormatAmount(insights.processes, "thread", "threads"),
                  insights.seconds, FormatBytes(insights.bytes), FormatCount(insights.distinct_pages));
  if (trace.lost > 0)
    text += fmt::format("{} more were made than could be recorded\n", FormatAmount(trace.lost, "read", "reads"));
  text += trace.header.readers_keep ? "What the kernel answered from its own memory is not in a trace; with the mount "
                                      "option direct_io it has none.\n"
                                    : "";
  text += "\n" + FormatFigures("level", insights.levels, kTraceLevelNames, insights) + "\n";
  text += FormatSources(insights) + FormatEpochs(trace, insights);
  text += "\n" + FormatIntervals(insights) + "\n" + FormatReuse(insights);
  if (!alternatives.empty()) text += "\nThe same reads, by the mount's own code:\n" + FormatAlternatives(alternatives);
  return text;
}

Json TraceJson(const LoadedTrace& trace, const TraceInsights& insights, const std::vector<Alternative>& alternatives) {
  Json document = NewDocument(kSchema);
  SetName(document, "pack", trace.header.pack_path);
  document["reads"] = insights.reads;
  document["lost"] = trace.lost;
  document["is_whole"] = trace.damage.empty();
  document["bytes"] = insights.bytes;
  document["duration_s"] = insights.seconds;
  document["processes"] = insights.processes;
  document["pages"] = insights.distinct_pages;
  document["levels"] = FiguresJson(insights.levels, kTraceLevelNames);
  document["sources"] = FiguresJson(insights.sources, kTraceSourceNames);
  Json& epochs = document["epochs"] = Json::array();
  for (const Epoch& epoch : insights.epochs)
    epochs.push_back({{"begin_s", epoch.begin_s},
                      {"end_s", epoch.end_s},
                      {"samples", epoch.samples},
                      {"order", kEpochOrderNames[static_cast<size_t>(epoch.order)]},
                      {"is_order_repeated", epoch.is_order_repeated}});
  document["further_samples"] = insights.further_samples;
  Json& intervals = document["intervals"] = Json::array();
  for (const Interval& interval : insights.intervals)
    intervals.push_back({{"begin_s", interval.begin_s},
                         {"end_s", interval.end_s},
                         {"reads", interval.reads},
                         {"bytes", interval.bytes},
                         {"pages", interval.pages},
                         {"new_pages", interval.new_pages}});
  Json& reuse = document["reuse"] = Json::array();
  for (const double share : kShownShares)
    reuse.push_back({{"share", share}, {"pages", insights.reuse.DistanceOf(share)}});
  Json& tried = document["alternatives"] = Json::array();
  for (const Alternative& one : alternatives)
    tried.push_back({{"what", one.name},
                     {"slots", one.slots},
                     {"hits", one.tally.hits},
                     {"misses", one.tally.misses()},
                     {"volume_bytes", one.tally.volume_bytes},
                     {"cost_ns", one.cost_ns}});
  return document;
}

}  // namespace quire::lab
