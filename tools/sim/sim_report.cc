// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/sim_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fs/options/byte_size.h"
#include "tools/bench/chart.h"
#include "tools/progress.h"

namespace quire::lab {
namespace {

constexpr int kSchema = 1;
constexpr int kBarBytes = 40;         // of the curve in text
constexpr size_t kCurveRows = 16;     // likewise
constexpr size_t kCurvePoints = 256;  // of the chart and of JSON: as many as a line of 700 pixels shows
constexpr double kNsPerSecond = 1e9;

std::string Percent(double share) { return fmt::format("{:.1f} %", share * 100); }

std::string Memory(const ReadSequence& sequence, uint64_t slots) {
  return sequence.is_reference_string() ? "" : FormatBytes(slots * sequence.page_bytes);
}

double CostSeconds(const Tally& tally, const Prices& prices) {
  return tally.cost_ns(prices.ns_per_byte, prices.ns_per_request) / kNsPerSecond;
}

// Numbers of slots at which a curve is shown: all where they are few, else evenly spread.
std::vector<uint64_t> CurveSlots(const ReadSequence& sequence, size_t most) {
  const uint64_t pages = sequence.distinct_pages;
  std::vector<uint64_t> slots;
  const uint64_t points = std::min<uint64_t>(pages, most);
  for (uint64_t i = 1; i <= points; ++i) slots.push_back((pages * i + points - 1) / points);
  return slots;
}

std::string FormatTable(const SimReport& report) {
  const ReadSequence& sequence = report.sequence;
  const bool is_string = sequence.is_reference_string();
  std::string text = fmt::format("{:>9}  {:<7}{:>12}{:>9}{:>12}", "slots", "policy", "hits", "rate", "misses");
  if (!is_string) text += fmt::format("{:>12}{:>12}", "memory", "from disk");
  if (report.prices) text += fmt::format("{:>12}", is_string ? "cost" : "disk time");
  text += "\n";
  uint32_t last_slots = 0;
  std::vector<const Trial*> by_slots;
  for (const Trial& trial : report.experiment.trials) by_slots.push_back(&trial);
  std::ranges::stable_sort(by_slots, {}, &Trial::slots);
  for (const Trial* trial : by_slots) {
    const Tally& tally = trial->tally;
    text +=
        fmt::format("{:>9}  {:<7}{:>12}{:>9}{:>12}", trial->slots == last_slots ? "" : fmt::format("{}", trial->slots),
                    NameOf(kLabPolicyNames, trial->policy), fmt::format("{}/{}", tally.hits, tally.reads),
                    Percent(tally.hit_ratio()), tally.misses());
    if (!is_string)
      text += fmt::format("{:>12}{:>12}", Memory(sequence, trial->slots), FormatBytes(tally.volume_bytes));
    if (report.prices && is_string)
      text += fmt::format("{:>12.6g}", tally.cost_ns(report.prices->ns_per_byte, report.prices->ns_per_request));
    if (report.prices && !is_string)
      text += fmt::format("{:>12}", bench::FormatValue(CostSeconds(tally, *report.prices), bench::Unit::kSeconds));
    text += "\n";
    last_slots = trial->slots;
  }
  return text;
}

std::string FormatCurve(const SimReport& report) {
  const LruCurve& lru = report.experiment.lru;
  std::string text = "Misses of lru by slots, all of them in one pass:\n";
  for (const uint64_t slots : CurveSlots(report.sequence, kCurveRows)) {
    const double ratio = lru.MissRatioWith(slots);
    const auto bar = static_cast<size_t>(std::lround(ratio * kBarBytes));
    text += fmt::format("{:>9}  {:>8}  {:<{}}  {}\n", slots, Percent(ratio), std::string(bar, '#'), kBarBytes,
                        Memory(report.sequence, slots));
  }
  return text;
}

std::string FormatAnomalies(const Experiment& experiment) {
  std::string text;
  for (const Anomaly& anomaly : experiment.anomalies)
    text += fmt::format("Belady's anomaly: {} has {} hits with {} slots, and {} with {}\n",
                        NameOf(kLabPolicyNames, anomaly.policy), anomaly.hits_with_fewer, anomaly.fewer_slots,
                        anomaly.hits_with_more, anomaly.more_slots);
  return text;
}

std::string FormatMount(const LoadedTrace& trace) {
  if (!trace.counts || trace.counts->reads() == 0) return "";
  const auto& counts = *trace.counts;
  const auto reads = static_cast<double>(counts.reads());
  return fmt::format(
      "The mount itself, {} with up to {} slots: {} hits, {} waited for what another read had begun, {} from disk{}\n",
      NameOf(kPolicyNames, trace.header.policy), trace.header.page_slots,
      Percent(static_cast<double>(counts.hits) / reads), Percent(static_cast<double>(counts.joined) / reads),
      FormatBytes(counts.volume_bytes), counts.is_cold ? "" : " (it was not cold)");
}

}  // namespace

std::string FormatAdvice(const SimReport& report) {
  const ReadSequence& sequence = report.sequence;
  const Advice advice = Advise(sequence, report.experiment.lru);
  if (advice.slots == 0) return fmt::format("No page is read again: memory beyond what is in flight brings nothing.");
  const auto give = [&](uint64_t slots) {
    if (sequence.is_reference_string()) return fmt::format("{} slots", slots);
    return fmt::format("{} (cache_size={}M)", FormatBytes(slots * sequence.page_bytes), CacheBytesFor(slots) >> 20);
  };
  if (advice.slots == 1 && advice.all_slots > 1)
    return fmt::format("Give it {}: {} of the reads are hits, and all {} pages in memory bring {}.", give(1),
                       Percent(advice.hit_ratio), advice.all_slots, Percent(advice.best_hit_ratio));
  if (advice.slots == advice.all_slots)
    return fmt::format("Give it {}: all {} pages, for {} hits; less brings less throughout.", give(advice.slots),
                       advice.all_slots, Percent(advice.hit_ratio));
  return fmt::format("Give it {}: {} of the reads are hits; all {} pages in memory bring {}.", give(advice.slots),
                     Percent(advice.hit_ratio), advice.all_slots, Percent(advice.best_hit_ratio));
}

std::string FormatSimText(const SimReport& report) {
  const ReadSequence& sequence = report.sequence;
  std::string text =
      fmt::format("{} of {}{}\n", FormatAmount(sequence.reads.size(), "read", "reads"),
                  FormatAmount(sequence.distinct_pages, "page", "pages"),
                  sequence.is_reference_string()
                      ? ""
                      : fmt::format(", {}", FormatBytes(uint64_t{sequence.distinct_pages} * sequence.page_bytes)));
  if (report.trace != nullptr && report.trace->lost > 0)
    text += fmt::format("{} reads more were made than could be recorded\n", report.trace->lost);
  if (report.trace != nullptr && report.trace->header.push != PushMode::kOff)
    text += "The mount pushed samples into the kernel's memory, whose reads are not in the trace\n";
  if (report.trace != nullptr) text += FormatMount(*report.trace);
  text += "\n" + FormatTable(report) + "\n";
  if (sequence.distinct_pages > 1) text += FormatCurve(report) + "\n";
  text += FormatAnomalies(report.experiment);
  return text + FormatAdvice(report) + "\n";
}

Json SimJson(const SimReport& report) {
  const ReadSequence& sequence = report.sequence;
  Json document = NewDocument(kSchema);
  document["reads"] = sequence.reads.size();
  document["pages"] = sequence.distinct_pages;
  document["page_bytes"] = sequence.is_reference_string() ? Json() : Json(sequence.page_bytes);
  document["lost"] = report.trace == nullptr ? 0 : report.trace->lost;
  document["ns_per_byte"] = report.prices ? Json(report.prices->ns_per_byte) : Json();
  document["ns_per_request"] = report.prices ? Json(report.prices->ns_per_request) : Json();
  Json& trials = document["trials"] = Json::array();
  for (const Trial& trial : report.experiment.trials) {
    const Tally& tally = trial.tally;
    trials.push_back(
        {{"policy", NameOf(kLabPolicyNames, trial.policy)},
         {"slots", trial.slots},
         {"hits", tally.hits},
         {"misses", tally.misses()},
         {"hit_ratio", tally.hit_ratio()},
         {"requests", tally.requests()},
         {"volume_bytes", sequence.is_reference_string() ? Json() : Json(tally.volume_bytes)},
         {"cost_ns",
          report.prices ? Json(tally.cost_ns(report.prices->ns_per_byte, report.prices->ns_per_request)) : Json()}});
  }
  Json& curve = document["lru_curve"] = Json::array();
  for (const uint64_t slots : CurveSlots(sequence, kCurvePoints))
    curve.push_back({{"slots", slots}, {"miss_ratio", report.experiment.lru.MissRatioWith(slots)}});
  Json& anomalies = document["anomalies"] = Json::array();
  for (const Anomaly& anomaly : report.experiment.anomalies)
    anomalies.push_back({{"policy", NameOf(kLabPolicyNames, anomaly.policy)},
                         {"fewer_slots", anomaly.fewer_slots},
                         {"more_slots", anomaly.more_slots},
                         {"hits_with_fewer", anomaly.hits_with_fewer},
                         {"hits_with_more", anomaly.hits_with_more}});
  const Advice advice = Advise(sequence, report.experiment.lru);
  document["advice"] = {
      {"slots", advice.slots},
      {"cache_size_bytes",
       sequence.is_reference_string() || advice.slots == 0 ? Json() : Json(CacheBytesFor(advice.slots))},
      {"hit_ratio", advice.hit_ratio},
      {"all_slots", advice.all_slots},
      {"best_hit_ratio", advice.best_hit_ratio}};
  document["mount"] = Json();
  if (report.trace != nullptr && report.trace->counts) {
    const auto& counts = *report.trace->counts;
    document["mount"] = {{"policy", NameOf(kPolicyNames, report.trace->header.policy)},
                         {"slots", report.trace->header.page_slots},
                         {"hits", counts.hits},
                         {"joined", counts.joined},
                         {"fill_misses", counts.fill_misses},
                         {"bypasses", counts.bypasses},
                         {"volume_bytes", counts.volume_bytes},
                         {"is_cold", counts.is_cold}};
  }
  return document;
}

std::string FormatSimSvg(const SimReport& report) {
  const ReadSequence& sequence = report.sequence;
  const bool is_string = sequence.is_reference_string();
  const auto x = [&](uint64_t slots) { return static_cast<double>(is_string ? slots : slots * sequence.page_bytes); };
  bench::Chart chart = {.title = "Misses by memory",
                        .note = fmt::format("{} of {}", FormatAmount(sequence.reads.size(), "read", "reads"),
                                            FormatAmount(sequence.distinct_pages, "page", "pages")),
                        .x = {.label = is_string ? "slots" : "memory for pages",
                              .unit = is_string ? bench::Unit::kNumber : bench::Unit::kBytes},
                        .y = {.label = "misses", .unit = bench::Unit::kPercent}};
  bench::Series lru = {.name = "lru, every size"};
  for (const uint64_t slots : CurveSlots(sequence, kCurvePoints))
    lru.points.emplace_back(x(slots), report.experiment.lru.MissRatioWith(slots));
  chart.series.push_back(std::move(lru));
  for (const Trial& trial : report.experiment.trials) {
    const std::string name(NameOf(kLabPolicyNames, trial.policy));
    if (chart.series.back().name != name) chart.series.push_back({.name = name});
    chart.series.back().points.emplace_back(x(trial.slots), 1 - trial.tally.hit_ratio());
  }
  return bench::RenderSvg(chart);
}

}  // namespace quire::lab
