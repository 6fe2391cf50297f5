#include "tools/bench/formats_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "tools/bench/statistics.h"

namespace quire::bench {
namespace {

// Less than this is noise, not a difference.
constexpr double kEqualRatio = 1.05;

std::string Label(const std::string& format) {
  if (format == kFiles) return "separate files";
  if (format == kZip) return "stored zip";
  if (format == kLmdb) return "LMDB";
  if (format == kPack) return "pack, direct";
  if (format == kMount) return "pack, mounted";
  return format;
}

// Before it is read, there is one pack.
std::string BuildLabel(const std::string& format) { return format == kPack ? "pack" : Label(format); }

double MedianOf(const std::vector<EpochFigures>& epochs, const std::function<double(const EpochFigures&)>& value) {
  std::vector<double> values;
  values.reserve(epochs.size());
  for (const EpochFigures& epoch : epochs) values.push_back(value(epoch));
  return Summarize(values).median;
}

std::vector<ReadSummary> SummarizeAll(const FormatsFigures& figures) {
  std::vector<ReadSummary> summaries;
  summaries.reserve(figures.reads.size());
  for (const ReadFigures& read : figures.reads) summaries.push_back(SummarizeReads(read));
  return summaries;
}

bool IsWarm(const ReadSummary& read) { return read.cache == "warm"; }

// Of `order`, not warm, the fastest first.
std::vector<ReadSummary> Ranked(std::vector<ReadSummary> reads, const std::string& order) {
  std::erase_if(reads, [&](const ReadSummary& read) { return read.order != order || IsWarm(read); });
  std::ranges::sort(reads, std::greater{}, &ReadSummary::samples_per_second);
  return reads;
}

const ReadSummary* Find(const std::vector<ReadSummary>& reads, const std::string& format) {
  const auto found = std::ranges::find(reads, format, &ReadSummary::format);
  return found == reads.end() ? nullptr : &*found;
}

// "12.3k samples/s".
std::string Rate(double per_second) {
  const std::string rate = FormatValue(per_second, Unit::kPerSecond);
  return rate.substr(0, rate.rfind("/s")) + " samples/s";
}

// "In random order LMDB is fastest, with 12k samples/s: 3.1 x separate files, which reach 3.9k samples/s."
std::optional<std::string> FastestSentence(const std::vector<ReadSummary>& reads, const std::string& order) {
  const auto ranked = Ranked(reads, order);
  const ReadSummary* const files = Find(ranked, kFiles);
  if (files == nullptr || ranked.size() < 2 || !(files->samples_per_second > 0)) return std::nullopt;
  const ReadSummary& fastest = ranked[0];
  if (fastest.format == kFiles)
    return fmt::format("In {} order nothing is faster than separate files, with {}; {} follows with {} ({:.2f} x).",
                       order, Rate(fastest.samples_per_second), Label(ranked[1].format),
                       Rate(ranked[1].samples_per_second), ranked[1].samples_per_second / fastest.samples_per_second);
  const double ratio = fastest.samples_per_second / files->samples_per_second;
  if (ratio < kEqualRatio)
    return fmt::format("In {} order {} is as fast as separate files ({} and {}), and nothing is faster.", order,
                       Label(fastest.format), Rate(fastest.samples_per_second), Rate(files->samples_per_second));
  return fmt::format("In {} order {} is fastest, with {}: {:.1f} x separate files, which reach {}.", order,
                     Label(fastest.format), Rate(fastest.samples_per_second), ratio, Rate(files->samples_per_second));
}

// Separate files are no contestant here: they are what the others are built from.
std::optional<std::string> BuildSentence(const std::vector<BuildFigures>& builds) {
  std::vector<BuildFigures> ranked = builds;
  std::erase_if(ranked, [](const BuildFigures& build) { return build.format == kFiles; });
  std::ranges::sort(ranked, {}, &BuildFigures::seconds);
  if (ranked.size() < 2 || !(ranked[0].seconds > 0)) return std::nullopt;
  std::string others;
  for (size_t i = 1; i < ranked.size(); ++i)
    others += fmt::format("{}{} takes {:.1f} x as long", i == 1 ? "" : ", ", BuildLabel(ranked[i].format),
                          ranked[i].seconds / ranked[0].seconds);
  return fmt::format("Fastest to build: {}, in {} with syncing to disk; {}.", BuildLabel(ranked[0].format),
                     FormatValue(ranked[0].seconds, Unit::kSeconds), others);
}

std::optional<std::string> SizeSentence(const std::vector<BuildFigures>& builds, uint64_t sample_bytes) {
  if (builds.empty() || sample_bytes == 0) return std::nullopt;
  std::string sizes;
  for (const BuildFigures& build : builds) {
    const double overhead = static_cast<double>(build.bytes) / static_cast<double>(sample_bytes) - 1;
    sizes += fmt::format("{}{} {:+.1f} %", sizes.empty() ? "" : ", ", BuildLabel(build.format), overhead * 100);
  }
  return fmt::format("Space on disk beyond the samples' own {}: {}.",
                     FormatValue(static_cast<double>(sample_bytes), Unit::kBytes), sizes);
}

std::optional<std::string> MountSentence(const std::vector<ReadSummary>& reads) {
  std::string shares;
  for (const char* order : {"random", "path"}) {
    const auto ranked = Ranked(reads, order);
    const ReadSummary* const direct = Find(ranked, kPack);
    const ReadSummary* const mounted = Find(ranked, kMount);
    if (direct == nullptr || mounted == nullptr || !(direct->samples_per_second > 0)) return std::nullopt;
    shares += fmt::format("{}{:.0f} % in {} order", shares.empty() ? "" : ", ",
                          mounted->samples_per_second / direct->samples_per_second * 100, order);
    if (order == std::string("random"))
      shares += fmt::format(" (half of all samples within {} instead of {})",
                            FormatValue(mounted->latency_p50_seconds, Unit::kSeconds),
                            FormatValue(direct->latency_p50_seconds, Unit::kSeconds));
  }
  return fmt::format("Through its mount the pack gives, of what it gives when read directly, {}.", shares);
}

std::optional<std::string> CutSentence(const std::vector<ReadSummary>& reads) {
  size_t cut = 0;
  size_t all = 0;
  for (const ReadSummary& read : reads) {
    cut += read.cut;
    all += read.repeats;
  }
  if (cut == 0) return std::nullopt;
  return fmt::format(
      "{} of {} epochs were cut at their time limit: their rates are those of the samples read until then, in path "
      "order "
      "of the first part of the tree. With a lower --limit-bytes or --limit-samples all formats read the same.",
      cut, all);
}

// Where the disks had nothing to do, nobody has measured them.
std::optional<std::string> MemorySentence(const std::vector<ReadSummary>& reads) {
  const bool disks_read =
      std::ranges::any_of(reads, [](const ReadSummary& read) { return !IsWarm(read) && read.disk_bytes > 0; });
  if (reads.empty() || disks_read) return std::nullopt;
  return "No disk of this machine was read from: the work folder lies in memory or on the network, and its caches "
         "cannot "
         "be emptied from here. Name another by --work to measure a disk.";
}

std::optional<std::string> FailureSentence(const std::vector<ReadSummary>& reads) {
  const auto failed = std::ranges::find_if(reads, [](const ReadSummary& read) { return read.failures > 0; });
  if (failed == reads.end()) return std::nullopt;
  return fmt::format("Samples could not be read: {} of {}, {} order, the first: {}.", failed->failures,
                     Label(failed->format), failed->order, failed->first_failure);
}

std::string ChoiceSentence(const FormatsFigures& figures) {
  std::string sentence =
      figures.samples + figures.left_out == figures.found
          ? fmt::format("All {} samples were taken, {}", figures.found,
                        FormatValue(static_cast<double>(figures.bytes), Unit::kBytes))
          : fmt::format("{} of {} samples were taken, evenly over the list, {}", figures.samples, figures.found,
                        FormatValue(static_cast<double>(figures.bytes), Unit::kBytes));
  if (figures.left_out > 0)
    sentence += fmt::format("; {} could not be read, the first: {}", figures.left_out, figures.first_left_out);
  return sentence + ".";
}

nlohmann::ordered_json ToResult(const BuildFigures& build) {
  return {{"experiment", "build"}, {"format", build.format}, {"seconds", build.seconds}, {"bytes", build.bytes}};
}

nlohmann::ordered_json ToResult(const ReadSummary& read, unsigned threads) {
  nlohmann::ordered_json result = {{"experiment", "read"},
                                   {"format", read.format},
                                   {"order", read.order},
                                   {"cache", read.cache},
                                   {"threads", threads},
                                   {"samples_per_second_median", read.samples_per_second},
                                   {"bytes_per_second_median", read.bytes_per_second},
                                   {"latency_p50_seconds", read.latency_p50_seconds},
                                   {"latency_p99_seconds", read.latency_p99_seconds},
                                   {"reader_cpu_seconds", read.reader_cpu_seconds},
                                   {"daemon_cpu_seconds", nullptr},
                                   {"disk_bytes_median", read.disk_bytes},
                                   {"repeats", read.repeats},
                                   {"cut", read.cut},
                                   {"failures", read.failures}};
  if (read.daemon_cpu_seconds) result["daemon_cpu_seconds"] = *read.daemon_cpu_seconds;
  return result;
}

Table BuildTable(const FormatsFigures& figures) {
  Table table{.title = "Building, with syncing to disk",
              .header = {"format", "seconds", "bytes on disk", "per sample"},
              .rows = {}};
  for (const BuildFigures& build : figures.builds)
    table.rows.push_back(
        {BuildLabel(build.format), FormatValue(build.seconds, Unit::kSeconds),
         FormatValue(static_cast<double>(build.bytes), Unit::kBytes),
         FormatValue(static_cast<double>(build.bytes) / static_cast<double>(figures.samples), Unit::kBytes)});
  return table;
}

Table ReadTable(const FormatsFigures& figures, const std::vector<ReadSummary>& reads) {
  Table table{
      .title = fmt::format("Reading with {} {}, medians", figures.threads, figures.threads == 1 ? "thread" : "threads"),
      .header = {"format", "order", "cache", "samples/s", "bytes/s", "p50", "p99", "reader CPU", "daemon CPU"},
      .rows = {}};
  for (const ReadSummary& read : reads)
    table.rows.push_back(
        {Label(read.format), read.order, read.cache, FormatValue(read.samples_per_second, Unit::kPerSecond),
         FormatValue(read.bytes_per_second, Unit::kBytesPerSecond),
         FormatValue(read.latency_p50_seconds, Unit::kSeconds), FormatValue(read.latency_p99_seconds, Unit::kSeconds),
         FormatValue(read.reader_cpu_seconds, Unit::kSeconds),
         read.daemon_cpu_seconds ? FormatValue(*read.daemon_cpu_seconds, Unit::kSeconds) : ""});
  if (!figures.why_no_mount.empty()) table.rows.push_back({Label(kMount), "", "", "not measured", "", "", "", "", ""});
  return table;
}

Chart BuildChart(const FormatsFigures& figures, std::string title, const std::string& note, Unit unit,
                 double (*value)(const BuildFigures&)) {
  Chart chart{.kind = ChartKind::kBars, .title = std::move(title), .note = note, .y = {.label = "", .unit = unit}};
  chart.series.push_back({.name = chart.title});
  for (const BuildFigures& build : figures.builds) {
    chart.categories.push_back(BuildLabel(build.format));
    chart.series[0].values.push_back(value(build));
  }
  return chart;
}

Chart ReadChart(const FormatsFigures& figures, const std::vector<ReadSummary>& reads) {
  Chart chart{.kind = ChartKind::kBars,
              .title = "Samples read in a second",
              .note = fmt::format("{} samples, {} {}, median over the repeats", figures.samples, figures.threads,
                                  figures.threads == 1 ? "thread" : "threads"),
              .y = {.label = "samples/s", .unit = Unit::kPerSecond}};
  for (const ReadSummary& read : reads) {
    if (std::ranges::find(chart.categories, Label(read.format)) == chart.categories.end())
      chart.categories.push_back(Label(read.format));
    const std::string name = fmt::format("{}, {}", read.order, read.cache);
    auto series = std::ranges::find(chart.series, name, &Series::name);
    if (series == chart.series.end()) series = chart.series.insert(series, {.name = name});
    series->values.push_back(read.samples_per_second);
  }
  return chart;
}

}  // namespace

ReadSummary SummarizeReads(const ReadFigures& figures) {
  const auto& epochs = figures.epochs;
  ReadSummary summary{.format = figures.format, .order = figures.order, .cache = figures.cache};
  summary.repeats = epochs.size();
  summary.samples_per_second = MedianOf(epochs, [](const auto& epoch) { return epoch.samples_per_second(); });
  summary.bytes_per_second = MedianOf(epochs, [](const auto& epoch) { return epoch.bytes_per_second(); });
  summary.latency_p50_seconds = MedianOf(epochs, [](const auto& epoch) { return epoch.latency_at(50); });
  summary.latency_p99_seconds = MedianOf(epochs, [](const auto& epoch) { return epoch.latency_at(99); });
  summary.reader_cpu_seconds = MedianOf(epochs, [](const auto& epoch) { return epoch.reader_cpu_seconds; });
  summary.disk_bytes = MedianOf(epochs, [](const auto& epoch) { return static_cast<double>(epoch.disk_bytes); });
  if (std::ranges::all_of(epochs, [](const auto& epoch) { return epoch.daemon_cpu_seconds.has_value(); }))
    summary.daemon_cpu_seconds = MedianOf(epochs, [](const auto& epoch) { return *epoch.daemon_cpu_seconds; });
  for (const EpochFigures& epoch : epochs) {
    if (!epoch.complete) ++summary.cut;
    if (summary.failures == 0) summary.first_failure = epoch.first_failure;
    summary.failures += epoch.failures;
  }
  return summary;
}

std::vector<std::string> FormatsInsights(const FormatsFigures& figures) {
  const auto reads = SummarizeAll(figures);
  std::vector<std::string> insights;
  for (auto& sentence : {FailureSentence(reads), FastestSentence(reads, "random"), FastestSentence(reads, "path"),
                         MountSentence(reads), BuildSentence(figures.builds),
                         SizeSentence(figures.builds, figures.bytes), MemorySentence(reads), CutSentence(reads)})
    if (sentence) insights.push_back(*sentence);
  if (!figures.why_no_mount.empty())
    insights.push_back(fmt::format("Reading through a mount was not measured: {}.", figures.why_no_mount));
  insights.push_back(ChoiceSentence(figures));
  return insights;
}

void AddFormatsFigures(const FormatsFigures& figures, Report& report) {
  const auto reads = SummarizeAll(figures);
  for (const BuildFigures& build : figures.builds) report.results.push_back(ToResult(build));
  for (const ReadSummary& read : reads) report.results.push_back(ToResult(read, figures.threads));
  report.insights = FormatsInsights(figures);
  report.tables = {ReadTable(figures, reads), BuildTable(figures)};
  report.charts = {
      ReadChart(figures, reads),
      BuildChart(figures, "Time to build", "from samples that are not in the page cache, with syncing to disk",
                 Unit::kSeconds, [](const BuildFigures& build) { return build.seconds; }),
      BuildChart(figures, "Space on disk", "directories, alignment and indexes included", Unit::kBytes,
                 [](const BuildFigures& build) { return static_cast<double>(build.bytes); })};
}

}  // namespace quire::bench
