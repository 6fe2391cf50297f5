// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/io_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tools/bench/io_insights.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

constexpr std::array kExperiments = {IoExperiment::kSequential, IoExperiment::kRandom, IoExperiment::kMethods,
                                     IoExperiment::kWholeFiles, IoExperiment::kThreads};

// What was done before a measurement.
const char* PreparedName(const IoPoint& point) { return point.cached ? "read before" : "evicted"; }

std::string BlockName(const IoPoint& point) {
  return point.block_bytes == 0 ? "whole file" : FormatValue(static_cast<double>(point.block_bytes), Unit::kBytes);
}

void AddSummary(const Summary& summary, const std::string& name, nlohmann::ordered_json& object) {
  object[name + "_mean"] = summary.mean;
  object[name + "_deviation"] = summary.deviation;
  object[name + "_min"] = summary.min;
  object[name + "_max"] = summary.max;
}

nlohmann::ordered_json ToObject(const IoResult& result) {
  const IoPoint& point = result.point;
  nlohmann::ordered_json object = {{"experiment", ExperimentName(point.experiment)},
                                   {"method", MethodName(point.method)},
                                   {"access", AccessName(point.access)},
                                   {"prepared", PreparedName(point)},
                                   {"cache", ServedFromName(result.from)},
                                   {"file_class", result.file_class},
                                   {"block_bytes", nullptr},
                                   {"most_requests", nullptr},
                                   {"threads", point.method == IoMethod::kUring ? 1 : point.depth},
                                   {"depth", point.depth},
                                   {"rounds", result.bytes_per_second.size()},
                                   {"requests", result.requests},
                                   {"bytes", result.bytes},
                                   {"disk_bytes", nullptr}};
  if (result.fetched.bytes && !result.fetched.at_least) object["disk_bytes"] = *result.fetched.bytes;
  if (point.block_bytes > 0) object["block_bytes"] = point.block_bytes;
  if (point.requests > 0) object["most_requests"] = point.requests;
  AddSummary(Summarize(result.bytes_per_second), "bytes_per_second", object);
  AddSummary(Summarize(result.requests_per_second), "requests_per_second", object);
  for (const auto& [name, percent] : {std::pair("p50", 50.0), {"p90", 90.0}, {"p99", 99.0}, {"p999", 99.9}})
    object[fmt::format("latency_{}_seconds", name)] = OrNull(PercentileOf(result.latency_seconds, percent));
  object["latency_max_seconds"] = result.latency_seconds.back();
  return object;
}

// None where there is no model.
void AddCostObject(const Cost& cost, IoAccess access, std::vector<nlohmann::ordered_json>& objects) {
  if (!cost.model) return;
  nlohmann::ordered_json object = {{"experiment", "cost model"},
                                   {"access", AccessName(access)},
                                   {"prepared", "evicted"},
                                   {"seconds_per_request", cost.model->seconds_per_request},
                                   {"seconds_per_request_low", nullptr},
                                   {"seconds_per_request_high", nullptr},
                                   {"seconds_per_byte", cost.model->seconds_per_byte},
                                   {"seconds_per_byte_low", cost.seconds_per_byte->low},
                                   {"seconds_per_byte_high", cost.seconds_per_byte->high},
                                   {"break_even_bytes", cost.model->break_even_bytes()},
                                   {"worst_error_fraction", cost.model->worst_error}};
  if (cost.seconds_per_request) {
    object["seconds_per_request_low"] = cost.seconds_per_request->low;
    object["seconds_per_request_high"] = cost.seconds_per_request->high;
  }
  objects.push_back(std::move(object));
}

// "mmap", "io_uring, 32 at a time", "read, 32 threads".
std::string DepthName(const IoPoint& point) {
  if (point.depth == 1) return MethodName(point.method);
  return fmt::format("{}, {} {}", MethodName(point.method), point.depth,
                     point.method == IoMethod::kUring ? "at a time" : "threads");
}

// What tells a result from the others of its experiment.
std::string RowName(const IoResult& result) {
  const IoPoint& point = result.point;
  switch (point.experiment) {
    case IoExperiment::kSequential:
      return fmt::format("{}, blocks of {}", result.file_class, BlockName(point));
    case IoExperiment::kRandom:
      return BlockName(point);
    case IoExperiment::kMethods:
      return fmt::format("{}, {}, {}", DepthName(point), AccessName(point.access), PreparedName(point));
    case IoExperiment::kWholeFiles:
      return fmt::format("{}, {}", result.file_class, PreparedName(point));
    case IoExperiment::kThreads:
      return fmt::format("{} thread{}, {}", point.depth, point.depth == 1 ? "" : "s", BlockName(point));
  }
  return "";
}

std::string TableTitle(IoExperiment experiment, const std::string& file_class) {
  switch (experiment) {
    case IoExperiment::kSequential:
      return "Sequential reads";
    case IoExperiment::kRandom:
      return fmt::format("Random reads of files of {}", file_class);
    case IoExperiment::kMethods:
      return fmt::format("Methods, files of {}", file_class);
    case IoExperiment::kWholeFiles:
      return "Whole files: open, read, close";
    case IoExperiment::kThreads:
      return fmt::format("Threads, files of {}", file_class);
  }
  return "";
}

// Empty where the values do not suffice for the percentile.
std::string LatencyText(const IoResult& result, double percent) {
  const auto seconds = PercentileOf(result.latency_seconds, percent);
  return seconds ? FormatValue(*seconds, Unit::kSeconds) : "";
}

Table ToTable(std::span<const IoResult* const> results) {
  Table table{.title = TableTitle(results.front()->point.experiment, results.front()->file_class),
              .header = {"", "label", "rounds", "rate", "deviation", "min", "max", "requests/s", "n", "p50", "p99"},
              .rows = {}};
  for (const IoResult* const result : results) {
    const Summary rate = Summarize(result->bytes_per_second);
    table.rows.push_back(
        {RowName(*result), ServedFromName(result->from), FormatCount(rate.count),
         FormatValue(rate.mean, Unit::kBytesPerSecond), FormatValue(rate.deviation / rate.mean, Unit::kPercent),
         FormatValue(rate.min, Unit::kBytesPerSecond), FormatValue(rate.max, Unit::kBytesPerSecond),
         FormatCount(static_cast<uint64_t>(std::llround(Summarize(result->requests_per_second).mean))),
         FormatCount(result->latency_seconds.size()), LatencyText(*result, 50), LatencyText(*result, 99)});
  }
  return table;
}

Table LatencyTable(std::span<const IoResult* const> by_block) {
  Table table{.title = "Latency of single random reads", .header = {"block", "n"}, .rows = {}};
  static constexpr std::array kPercents = {50.0, 90.0, 99.0, 99.9};
  for (const double percent : kPercents) table.header.push_back(fmt::format("p{}", percent));
  table.header.emplace_back("max");
  for (const IoResult* const result : by_block) {
    table.rows.push_back({BlockName(result->point), FormatCount(result->latency_seconds.size())});
    for (const double percent : kPercents) table.rows.back().push_back(LatencyText(*result, percent));
    table.rows.back().push_back(FormatValue(result->latency_seconds.back(), Unit::kSeconds));
  }
  return table;
}

const Axis kRateAxis = {.label = "bytes read in a second", .unit = Unit::kBytesPerSecond};

Chart BlockChart(std::span<const IoResult> results) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "Throughput by block size",
              .note = "evicted before, one thread, read()",
              .x = {.label = "block", .scale = Scale::kLog2, .unit = Unit::kBytes},
              .y = kRateAxis};
  for (const IoResult* const result : OfExperiment(results, IoExperiment::kSequential)) {
    const std::string name = fmt::format("sequential, {}", result->file_class);
    if (chart.series.empty() || chart.series.back().name != name) chart.series.push_back({.name = name});
    chart.series.back().points.emplace_back(result->point.block_bytes, MeanRate(*result));
  }
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  if (!random.empty()) chart.series.push_back({.name = fmt::format("random, {}", random.front()->file_class)});
  for (const IoResult* const result : random)
    chart.series.back().points.emplace_back(result->point.block_bytes, MeanRate(*result));
  return chart;
}

Chart RandomnessChart(std::span<const IoResult> results) {
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  Chart chart{.kind = ChartKind::kBars,
              .title = "Random against sequential",
              .note = fmt::format("files of {}, evicted before, one thread, read()", random.front()->file_class),
              .y = kRateAxis,
              .series = {{.name = "sequential"}, {.name = "random"}}};
  for (const IoResult* const sequential : SequentialByBlock(results)) {
    const auto same_block = [&](const IoResult* result) {
      return result->point.block_bytes == sequential->point.block_bytes;
    };
    const auto found = std::ranges::find_if(random, same_block);
    if (found == random.end()) continue;
    chart.categories.push_back(BlockName(sequential->point));
    chart.series[0].values.push_back(MeanRate(*sequential));
    chart.series[1].values.push_back(MeanRate(**found));
  }
  return chart;
}

// Cached reads in a chart of their own: beside them the uncached ones could not be told apart.
Chart MethodsChart(std::span<const IoResult> results, bool cached) {
  Chart chart{.kind = ChartKind::kBars,
              .title = cached ? "Ways to read what was read before" : "Ways to read what was evicted",
              .note = {},
              .y = kRateAxis,
              .series = {{.name = "sequential"}, {.name = "random"}}};
  for (const IoResult* const result : OfExperiment(results, IoExperiment::kMethods)) {
    const IoPoint& point = result->point;
    if (point.cached != cached) continue;
    const bool sequential = point.access == IoAccess::kSequential;
    if (sequential) chart.categories.push_back(DepthName(point));
    Series& series = chart.series[sequential ? 0 : 1];
    series.name = fmt::format("{}, blocks of {}", AccessName(point.access), BlockName(point));
    series.values.push_back(MeanRate(*result));
    chart.note = fmt::format("files of {}", result->file_class);
  }
  return chart;
}

Chart FilesChart(std::span<const IoResult* const> whole_files) {
  Chart chart{.kind = ChartKind::kBars,
              .title = "Small against large files",
              .note = "whole files, one after another: open, read, close",
              .y = kRateAxis,
              .series = {{.name = "evicted before"}, {.name = "read before"}}};
  for (const IoResult* const result : whole_files) {
    if (!result->point.cached) chart.categories.push_back(result->file_class);
    chart.series[result->point.cached ? 1 : 0].values.push_back(MeanRate(*result));
  }
  return chart;
}

Chart ThreadsChart(std::span<const IoResult* const> by_threads) {
  const IoResult& first = *by_threads.front();
  Chart chart{.kind = ChartKind::kLines,
              .title = "Threads",
              .note = fmt::format("{}, {}, files of {}, evicted before", AccessName(first.point.access),
                                  BlockName(first.point), first.file_class),
              .x = {.label = "threads", .scale = Scale::kLog2},
              .y = kRateAxis,
              .series = {{.name = "measured"}, {.name = "in proportion to one thread"}}};
  const double best =
      MeanRate(**std::ranges::max_element(by_threads, {}, [](const IoResult* result) { return MeanRate(*result); }));
  for (const IoResult* const result : by_threads) {
    chart.series[0].points.emplace_back(result->point.depth, MeanRate(*result));
    // Only as far as it does not flatten what was measured.
    const double proportional = MeanRate(first) * result->point.depth / first.point.depth;
    if (proportional <= 1.25 * best) chart.series[1].points.emplace_back(result->point.depth, proportional);
  }
  if (chart.series[1].points.size() < 2) chart.series.pop_back();
  return chart;
}

Chart LatencyChart(std::span<const IoResult* const> by_block) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "Latency of single random reads",
              .note = "share of the reads that were done within the time; evicted before, one thread, read()",
              .x = {.label = "time for one read", .scale = Scale::kLog10, .unit = Unit::kSeconds},
              .y = {.label = "share of reads", .unit = Unit::kPercent}};
  for (const IoResult* const result : by_block) {
    Series series{.name = BlockName(result->point)};
    for (const double percent :
         {0.1, 1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0})
      series.points.emplace_back(Percentile(result->latency_seconds, percent), percent / 100);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::vector<nlohmann::ordered_json> IoResultObjects(std::span<const IoResult> results) {
  std::vector<nlohmann::ordered_json> objects;
  for (const IoResult& result : results) objects.push_back(ToObject(result));
  AddCostObject(RequestCost(results), IoAccess::kRandom, objects);
  AddCostObject(FileCost(results), IoAccess::kWholeFiles, objects);
  return objects;
}

Table FileClassTable(std::span<const FileClass> classes) {
  Table table{.title = "Files", .header = {"size", "found", "of bytes", "read here", "of bytes"}, .rows = {}};
  for (const FileClass& file_class : classes)
    table.rows.push_back({file_class.name, FormatCount(file_class.files_found), FormatBytes(file_class.bytes_found),
                          FormatCount(file_class.files.size()), FormatBytes(file_class.bytes())});
  return table;
}

std::vector<Table> IoTables(std::span<const IoResult> results) {
  std::vector<Table> tables;
  for (const IoExperiment experiment : kExperiments) {
    const auto chosen = OfExperiment(results, experiment);
    if (chosen.empty()) continue;
    tables.push_back(ToTable(chosen));
  }
  if (const auto random = OfExperiment(results, IoExperiment::kRandom); !random.empty())
    tables.push_back(LatencyTable(random));
  return tables;
}

std::vector<Chart> IoCharts(std::span<const IoResult> results) {
  std::vector<Chart> charts = {BlockChart(results)};
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  if (!random.empty()) {
    charts.push_back(RandomnessChart(results));
    charts.push_back(MethodsChart(results, false));
    charts.push_back(MethodsChart(results, true));
  }
  if (const auto whole_files = OfExperiment(results, IoExperiment::kWholeFiles); !whole_files.empty())
    charts.push_back(FilesChart(whole_files));
  if (const auto threads = OfExperiment(results, IoExperiment::kThreads); !threads.empty())
    charts.push_back(ThreadsChart(threads));
  if (!random.empty()) charts.push_back(LatencyChart(random));
  return charts;
}

}  // namespace quire::bench
