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

double LatencyAt(const IoResult& result, double percent) { return Percentile(result.latency_seconds, percent); }

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
                                   {"threads", point.threads},
                                   {"repeats", result.bytes_per_second.count},
                                   {"requests", result.requests},
                                   {"bytes", result.bytes},
                                   {"disk_bytes", nullptr}};
  if (result.fetched.bytes && !result.fetched.at_least) object["disk_bytes"] = *result.fetched.bytes;
  if (point.block_bytes > 0) object["block_bytes"] = point.block_bytes;
  if (point.requests > 0) object["most_requests"] = point.requests;
  AddSummary(result.bytes_per_second, "bytes_per_second", object);
  AddSummary(result.requests_per_second, "requests_per_second", object);
  object["latency_p50_seconds"] = LatencyAt(result, 50);
  object["latency_p90_seconds"] = LatencyAt(result, 90);
  object["latency_p99_seconds"] = LatencyAt(result, 99);
  object["latency_p999_seconds"] = LatencyAt(result, 99.9);
  object["latency_max_seconds"] = LatencyAt(result, 100);
  return object;
}

nlohmann::ordered_json ToObject(const CostModel& cost, IoAccess access) {
  return {{"experiment", "cost model"},
          {"access", AccessName(access)},
          {"cache", "uncached"},
          {"seconds_per_request", cost.seconds_per_request},
          {"seconds_per_byte", cost.seconds_per_byte},
          {"break_even_bytes", cost.break_even_bytes()},
          {"worst_error_fraction", cost.worst_error}};
}

std::vector<const IoResult*> Of(std::span<const IoResult> results, IoExperiment experiment) {
  std::vector<const IoResult*> chosen;
  for (const IoResult& result : results)
    if (result.point.experiment == experiment) chosen.push_back(&result);
  return chosen;
}

// What tells a result from the others of its experiment.
std::string RowName(const IoResult& result) {
  const IoPoint& point = result.point;
  switch (point.experiment) {
    case IoExperiment::kSequential:
      return fmt::format("{}, blocks of {}", result.file_class, BlockName(point));
    case IoExperiment::kRandom:
      return fmt::format("{}, up to {} requests", BlockName(point), point.requests);
    case IoExperiment::kMethods:
      return fmt::format("{}, {}, {}", MethodName(point.method), AccessName(point.access), PreparedName(point));
    case IoExperiment::kWholeFiles:
      return fmt::format("{}, {}", result.file_class, PreparedName(point));
    case IoExperiment::kThreads:
      return fmt::format("{} thread{}, {}", point.threads, point.threads == 1 ? "" : "s", BlockName(point));
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
      return fmt::format("Threads, random reads of files of {}", file_class);
  }
  return "";
}

Table ToTable(std::span<const IoResult* const> results) {
  Table table{.title = TableTitle(results.front()->point.experiment, results.front()->file_class),
              .header = {"", "label", "rate", "deviation", "min", "max", "requests/s", "p50", "p99"},
              .rows = {}};
  for (const IoResult* const result : results) {
    const Summary& rate = result->bytes_per_second;
    table.rows.push_back({RowName(*result), ServedFromName(result->from), FormatValue(rate.mean, Unit::kBytesPerSecond),
                          FormatValue(rate.deviation / rate.mean, Unit::kPercent),
                          FormatValue(rate.min, Unit::kBytesPerSecond), FormatValue(rate.max, Unit::kBytesPerSecond),
                          FormatCount(static_cast<uint64_t>(std::llround(result->requests_per_second.mean))),
                          FormatValue(LatencyAt(*result, 50), Unit::kSeconds),
                          FormatValue(LatencyAt(*result, 99), Unit::kSeconds)});
  }
  return table;
}

void AddScaling(std::span<const IoResult> results, Table& table) {
  const std::vector<double> efficiency = ScalingEfficiency(ThreadPoints(results));
  table.header.emplace_back("efficiency");
  for (size_t i = 0; i < efficiency.size(); ++i) table.rows[i].push_back(FormatValue(efficiency[i], Unit::kPercent));
}

Table LatencyTable(std::span<const IoResult* const> by_block) {
  Table table{.title = "Latency of single random reads", .header = {"block"}, .rows = {}};
  static constexpr std::array kPercents = {50.0, 90.0, 99.0, 99.9, 100.0};
  for (const double percent : kPercents) table.header.push_back(percent < 100 ? fmt::format("p{}", percent) : "max");
  for (const IoResult* const result : by_block) {
    table.rows.push_back({BlockName(result->point)});
    for (const double percent : kPercents)
      table.rows.back().push_back(FormatValue(LatencyAt(*result, percent), Unit::kSeconds));
  }
  return table;
}

const Axis kRateAxis = {.label = "bytes read in a second", .unit = Unit::kBytesPerSecond};

Chart BlockChart(std::span<const IoResult> results) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "Throughput by block size",
              .note = "uncached, one thread, read()",
              .x = {.label = "block", .scale = Scale::kLog2, .unit = Unit::kBytes},
              .y = kRateAxis};
  for (const IoResult* const result : Of(results, IoExperiment::kSequential)) {
    const std::string name = fmt::format("sequential, {}", result->file_class);
    if (chart.series.empty() || chart.series.back().name != name) chart.series.push_back({.name = name});
    chart.series.back().points.emplace_back(result->point.block_bytes, result->bytes_per_second.mean);
  }
  const auto random = RandomByBlock(results);
  chart.series.push_back({.name = fmt::format("random, {}", random.front()->file_class)});
  for (const IoResult* const result : random)
    chart.series.back().points.emplace_back(result->point.block_bytes, result->bytes_per_second.mean);
  return chart;
}

Chart RandomnessChart(std::span<const IoResult> results) {
  const auto random = RandomByBlock(results);
  Chart chart{.kind = ChartKind::kBars,
              .title = "Random against sequential",
              .note = fmt::format("files of {}, uncached, one thread, read()", random.front()->file_class),
              .y = kRateAxis,
              .series = {{.name = "sequential"}, {.name = "random"}}};
  for (const IoResult* const sequential : SequentialByBlock(results)) {
    const auto same_block = [&](const IoResult* result) {
      return result->point.block_bytes == sequential->point.block_bytes;
    };
    const auto found = std::ranges::find_if(random, same_block);
    if (found == random.end()) continue;
    chart.categories.push_back(BlockName(sequential->point));
    chart.series[0].values.push_back(sequential->bytes_per_second.mean);
    chart.series[1].values.push_back((*found)->bytes_per_second.mean);
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
  for (const IoResult* const result : Of(results, IoExperiment::kMethods)) {
    const IoPoint& point = result->point;
    if (point.cached != cached) continue;
    const bool sequential = point.access == IoAccess::kSequential;
    if (sequential) chart.categories.emplace_back(MethodName(point.method));
    Series& series = chart.series[sequential ? 0 : 1];
    series.name = fmt::format("{}, blocks of {}", AccessName(point.access), BlockName(point));
    series.values.push_back(result->bytes_per_second.mean);
    chart.note = fmt::format("files of {}; io_uring with {} requests in flight, the others with one",
                             result->file_class, kRingDepth);
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
    chart.series[result->point.cached ? 1 : 0].values.push_back(result->bytes_per_second.mean);
  }
  return chart;
}

Chart ThreadsChart(std::span<const IoResult> results) {
  const IoResult& first = *Of(results, IoExperiment::kThreads).front();
  Chart chart{
      .kind = ChartKind::kLines,
      .title = "Threads",
      .note = fmt::format("random reads, {}, files of {}, evicted before", BlockName(first.point), first.file_class),
      .x = {.label = "threads", .scale = Scale::kLog2},
      .y = kRateAxis,
      .series = {{.name = "measured"}, {.name = "in proportion to one thread"}}};
  const auto points = ThreadPoints(results);
  const double best = std::ranges::max(points, {}, &ThreadPoint::rate).rate;
  for (const auto& [threads, rate] : points) {
    chart.series[0].points.emplace_back(threads, rate);
    // Only as far as it does not flatten what was measured.
    const double proportional = points.front().rate * threads;
    if (proportional <= 1.25 * best) chart.series[1].points.emplace_back(threads, proportional);
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
      series.points.emplace_back(LatencyAt(*result, percent), percent / 100);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::vector<nlohmann::ordered_json> IoResultObjects(std::span<const IoResult> results) {
  std::vector<nlohmann::ordered_json> objects;
  for (const IoResult& result : results) objects.push_back(ToObject(result));
  if (const auto cost = RequestCost(results)) objects.push_back(ToObject(*cost, IoAccess::kRandom));
  if (const auto cost = FileCost(results)) objects.push_back(ToObject(*cost, IoAccess::kWholeFiles));
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
    const auto chosen = Of(results, experiment);
    if (chosen.empty()) continue;
    tables.push_back(ToTable(chosen));
    if (experiment == IoExperiment::kThreads) AddScaling(results, tables.back());
  }
  tables.push_back(LatencyTable(RandomByBlock(results)));
  return tables;
}

std::vector<Chart> IoCharts(std::span<const IoResult> results) {
  std::vector<Chart> charts = {BlockChart(results), RandomnessChart(results), MethodsChart(results, false),
                               MethodsChart(results, true)};
  if (const auto whole_files = Of(results, IoExperiment::kWholeFiles); !whole_files.empty())
    charts.push_back(FilesChart(whole_files));
  charts.push_back(ThreadsChart(results));
  charts.push_back(LatencyChart(RandomByBlock(results)));
  return charts;
}

}  // namespace quire::bench
