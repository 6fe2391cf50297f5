// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/train_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "fs/json_text.h"
#include "tools/bench/statistics.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

using Json = nlohmann::ordered_json;

// What a number of accelerators had of one epoch or all epochs of a run.
struct Figures {
  const TrainedJob& job;
  const PlayedRun& run;
  const PlayedEpoch& epoch;
  unsigned batch;

  [[nodiscard]] double samples_per_second() const {
    const Utilisation& use = epoch.use;
    return static_cast<double>(use.steps) * run.accelerators * batch / use.wall_seconds;
  }
  [[nodiscard]] double bytes_per_second() const {
    return epoch.samples == 0
               ? 0
               : samples_per_second() * static_cast<double>(epoch.bytes) / static_cast<double>(epoch.samples);
  }
  [[nodiscard]] std::optional<double> stall_at(double percent) const { return PercentileOf(epoch.use.stalls, percent); }
};

Json ToResult(const char* experiment, const Figures& figures) {
  const PlayedEpoch& epoch = figures.epoch;
  const Utilisation& use = epoch.use;
  Json result = {{"experiment", experiment}};
  SetName(result, "path", figures.job.path);
  result.update(Json{{"accelerators", figures.run.accelerators},
                     {"cache", ServedFromName(JudgeBytes(epoch.spent.fetched, epoch.bytes, figures.job.in_memory))},
                     {"from_memory_fraction", OrNull(FromMemory(epoch, figures.job.in_memory))},
                     {"au", use.au()},
                     {"whole_au", use.whole_au()},
                     {"steps", use.steps},
                     {"seconds", use.wall_seconds},
                     {"nominal_seconds", use.nominal_seconds},
                     {"stall_seconds", use.stall_seconds},
                     {"barrier_seconds", use.barrier_seconds},
                     {"overshoot_seconds", use.overshoot_seconds},
                     {"stall_p50_seconds", OrNull(figures.stall_at(50))},
                     {"stall_p99_seconds", OrNull(figures.stall_at(99))},
                     {"samples", epoch.samples},
                     {"bytes", epoch.bytes},
                     {"failures", epoch.failures},
                     {"samples_per_second", figures.samples_per_second()},
                     {"bytes_per_second", figures.bytes_per_second()},
                     {"worker_reading_seconds", epoch.workers.reading},
                     {"worker_idle_seconds", epoch.workers.idle},
                     {"worker_cpu_seconds", epoch.workers.cpu},
                     {"worker_run_queue_seconds", epoch.workers.run_queue},
                     {"cpu_pressure_seconds", OrNull(epoch.pressure.cpu)},
                     {"io_pressure_seconds", OrNull(epoch.pressure.io)},
                     {"memory_pressure_seconds", OrNull(epoch.pressure.memory)}});
  AddSpent(epoch.spent, result);
  result["daemon_busiest_thread_seconds"] = OrNull(epoch.spent.daemon_busiest_seconds);
  result["daemon_run_queue_seconds"] = OrNull(epoch.spent.daemon_run_queue_seconds);
  return result;
}

void AddRun(const TrainedJob& job, const PlayedRun& run, unsigned batch, std::vector<Json>& results) {
  const PlayedEpoch sum = run.Sum();
  for (size_t i = 0; run.is_whole && i < run.epochs.size(); ++i) {
    results.push_back(ToResult("epoch", {job, run, run.epochs[i], batch}));
    results.back()["epoch"] = i + 1;
  }
  Json& result = results.emplace_back(ToResult(run.is_whole ? "run" : "trial", {job, run, sum, batch}));
  result["list_seconds"] = run.list_seconds;
  result["passed"] = run.has_passed();
  result["lost_to"] = LostToName(LossOf(run, job.cores));
  result["ceiling_samples_per_second"] = run.ceiling_samples_per_second;
  result["host_limited"] = IsHostLimited(run.samples_per_second(batch), run.ceiling_samples_per_second);
}

std::string SecondsText(const std::optional<double>& seconds) {
  return seconds ? FormatValue(*seconds, Unit::kSeconds) : "";
}

std::string PercentText(const std::optional<double>& fraction) {
  return fraction ? fmt::format("{:.1f} %", 100 * *fraction) : "";
}

std::vector<std::string> Row(std::string name, const Figures& figures) {
  return {std::move(name),
          PercentText(figures.epoch.use.au()),
          PercentText(figures.epoch.use.whole_au()),
          FormatCount(std::llround(figures.samples_per_second())),
          FormatValue(figures.bytes_per_second(), Unit::kBytesPerSecond),
          SecondsText(figures.stall_at(50)),
          SecondsText(figures.stall_at(99)),
          PercentText(FromMemory(figures.epoch, figures.job.in_memory))};
}

const std::vector<std::string> kFigureNames = {"AU",        "with start", "samples/s",  "rate",
                                               "stall p50", "p99",        "from memory"};

Table RunTable(const TrainedJob& job, unsigned batch) {
  Table table{.title = fmt::format("{}: accelerators", job.path), .header = {"accelerators"}, .rows = {}};
  table.header.insert(table.header.end(), kFigureNames.begin(), kFigureNames.end());
  table.header.emplace_back("lost to");
  for (const PlayedRun& run : job.runs) {
    const PlayedEpoch sum = run.Sum();
    table.rows.push_back(
        Row(fmt::format("{}{}", run.accelerators, run.is_whole ? "" : ", a trial"), {job, run, sum, batch}));
    table.rows.back().emplace_back(LostToName(LossOf(run, job.cores)));
  }
  return table;
}

Table EpochTable(const TrainedJob& job, unsigned batch) {
  const PlayedRun& run = job.chosen();
  Table table{.title = fmt::format("{}: epochs with {}", job.path, run.accelerators), .header = {"epoch"}, .rows = {}};
  table.header.insert(table.header.end(), kFigureNames.begin(), kFigureNames.end());
  for (size_t i = 0; i < run.epochs.size(); ++i)
    table.rows.push_back(Row(std::to_string(i + 1), {job, run, run.epochs[i], batch}));
  return table;
}

Chart SearchChart(const std::vector<TrainedJob>& jobs, const Workload& workload) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "How much of their time accelerators compute",
              .note = fmt::format("{}; at least {:.0f} % is wanted", workload.name, 100 * kPassingUtilisation),
              .x = {.label = "accelerators", .unit = Unit::kNumber},
              .y = {.label = "AU", .unit = Unit::kPercent}};
  for (const TrainedJob& job : jobs) {
    std::map<unsigned, double> by_count;  // a whole run, which comes later, overrules the trial
    for (const PlayedRun& run : job.runs) by_count[run.accelerators] = run.Sum().use.au();
    Series series{.name = job.path};
    for (const auto& [accelerators, au] : by_count) series.points.emplace_back(accelerators, au);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart EpochChart(const std::vector<TrainedJob>& jobs) {
  Chart chart{.kind = ChartKind::kBars, .title = "AU of each epoch", .y = {.label = "AU", .unit = Unit::kPercent}};
  for (const TrainedJob& job : jobs) {
    const PlayedRun& run = job.chosen();
    Series series{.name = fmt::format("{}, {}", job.path, run.accelerators)};
    for (const PlayedEpoch& epoch : run.epochs) series.values.push_back(epoch.use.au());
    while (chart.categories.size() < run.epochs.size())
      chart.categories.push_back(fmt::format("epoch {}", chart.categories.size() + 1));
    chart.series.push_back(std::move(series));
  }
  for (Series& series : chart.series) series.values.resize(chart.categories.size(), std::nan(""));
  return chart;
}

Chart StallChart(const std::vector<TrainedJob>& jobs) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "How long an accelerator waits for a batch",
              .note = "share of steps that waited no longer than that",
              .x = {.label = "waiting", .scale = Scale::kLog10, .unit = Unit::kSeconds},
              .y = {.label = "share of steps", .unit = Unit::kPercent}};
  constexpr double kLeastSeconds = 1e-6;  // what a batch costs that is there already
  for (const TrainedJob& job : jobs) {
    const auto stalls = job.chosen().Sum().use.stalls;
    Series series{.name = fmt::format("{}, {}", job.path, job.chosen().accelerators)};
    for (const double percent : {1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0})
      series.points.emplace_back(std::max(kLeastSeconds, Percentile(stalls, percent)), percent / 100);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::vector<Json> TrainResults(const std::vector<TrainedJob>& jobs, const JobSettings& settings) {
  std::vector<Json> results;
  for (const TrainedJob& job : jobs) {
    for (const PlayedRun& run : job.runs) AddRun(job, run, settings.workload.batch, results);
    const std::string why = WhyNoVerdict(job, settings);
    Json& result = results.emplace_back(Json{{"experiment", "verdict"}});
    SetName(result, "path", job.path);
    result.update(Json{{"accelerators", job.found ? job.found->accelerators : job.chosen().accelerators},
                       {"is_search", job.found.has_value()},
                       {"may_be_more", job.found && job.found->may_be_more},
                       {"passed", job.chosen().has_passed()},
                       {"is_verdict", why.empty()}});
  }
  return results;
}

std::vector<Table> TrainTables(const std::vector<TrainedJob>& jobs, const JobSettings& settings) {
  std::vector<Table> tables;
  for (const TrainedJob& job : jobs) {
    tables.push_back(RunTable(job, settings.workload.batch));
    if (job.chosen().is_whole) tables.push_back(EpochTable(job, settings.workload.batch));
  }
  return tables;
}

std::vector<Chart> TrainCharts(const std::vector<TrainedJob>& jobs, const JobSettings& settings) {
  std::vector<Chart> charts;
  if (jobs.front().found) charts.push_back(SearchChart(jobs, settings.workload));
  charts.push_back(EpochChart(jobs));
  charts.push_back(StallChart(jobs));
  return charts;
}

}  // namespace quire::bench
