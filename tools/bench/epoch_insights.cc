#include "tools/bench/epoch_insights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/bench/chart.h"
#include "tools/bench/statistics.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

std::string Rate(const EpochFigures& figures) {
  return fmt::format("{} files/s ({})", FormatCount(std::llround(figures.samples_per_second())),
                     FormatValue(figures.bytes_per_second(), Unit::kBytesPerSecond));
}

// What would be gained if everything came out of the cache.
void CompareFirstWithLast(const std::vector<MeasuredEpoch>& epochs, std::vector<std::string>& insights) {
  const MeasuredEpoch& first = epochs.front();
  const MeasuredEpoch& last = epochs.back();
  const char* name = first.cache == CacheState::kCold ? "Cold" : "At first";
  if (epochs.size() == 1 || last.cache != CacheState::kWarm) {
    insights.push_back(fmt::format("{} {}.", name, Rate(last.figures)));
    return;
  }
  insights.push_back(fmt::format("{} {}, warm {}: the caches are worth {:.1f} x.", name, Rate(first.figures),
                                 Rate(last.figures),
                                 last.figures.samples_per_second() / first.figures.samples_per_second()));
}

// Whether names or bytes are what the readers wait for.
void SplitTime(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  const double reader_seconds = epoch.figures.seconds * epoch.readers;
  const double open_fraction = epoch.figures.open_seconds / reader_seconds;
  if (open_fraction == 0) return;
  insights.push_back(fmt::format(
      "Of the readers' time {:.0f} % went into open and fstat, {:.0f} % into read and close: {}.", open_fraction * 100,
      100 - open_fraction * 100,
      open_fraction > 0.5 ? "names and attributes cost more than bytes" : "bytes cost more than names and attributes"));
  const double cpu_fraction = epoch.figures.reader_cpu_seconds / reader_seconds;
  insights.push_back(
      fmt::format("The readers computed for {:.0f} % of that time and waited for the rest{}.", cpu_fraction * 100,
                  cpu_fraction < 0.5 ? ", so more readers may help" : ", so more readers need more cores"));
}

void DescribeTail(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  const auto& latencies = epoch.figures.latency_seconds;
  const double p50 = Percentile(latencies, 50);
  const double p99 = Percentile(latencies, 99);
  insights.push_back(fmt::format("One file in a hundred takes longer than {}, {:.0f} x the median of {}.",
                                 FormatValue(p99, Unit::kSeconds), p99 / p50, FormatValue(p50, Unit::kSeconds)));
}

void DescribeDisk(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  const auto& figures = epoch.figures;
  if (epoch.cache != CacheState::kCold || figures.disk_bytes == 0 || figures.bytes == 0) return;
  insights.push_back(fmt::format("The disk read {} for {} of samples ({:.2f} x).",
                                 FormatValue(static_cast<double>(figures.disk_bytes), Unit::kBytes),
                                 FormatValue(static_cast<double>(figures.bytes), Unit::kBytes),
                                 static_cast<double>(figures.disk_bytes) / static_cast<double>(figures.bytes)));
}

void DescribeDaemon(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  const auto& figures = epoch.figures;
  if (!figures.daemon_cpu_seconds || figures.bytes == 0) return;
  insights.push_back(
      fmt::format("Behind the mount the daemon computed {} for each GB, the readers {}.",
                  FormatValue(*figures.daemon_cpu_seconds / static_cast<double>(figures.bytes) * 1e9, Unit::kSeconds),
                  FormatValue(figures.reader_cpu_seconds / static_cast<double>(figures.bytes) * 1e9, Unit::kSeconds)));
}

void DescribeList(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  if (!epoch.figures.complete || epoch.list_seconds < 0.1 * epoch.figures.seconds) return;
  insights.push_back(fmt::format("Listing the files took {} before the {} of reading them.",
                                 FormatValue(epoch.list_seconds, Unit::kSeconds),
                                 FormatValue(epoch.figures.seconds, Unit::kSeconds)));
}

void DescribePlan(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  if (!epoch.planned_samples || *epoch.planned_samples >= epoch.figures.samples) return;
  insights.push_back(fmt::format("The plan fell behind: the mount was told of {} files, {} were read.",
                                 FormatCount(*epoch.planned_samples), FormatCount(epoch.figures.samples)));
}

}  // namespace

const char* CacheStateName(CacheState state) {
  switch (state) {
    case CacheState::kCold:
      return "cold";
    case CacheState::kFound:
      return "found";
    case CacheState::kWarm:
      break;
  }
  return "warm";
}

std::vector<std::string> EpochInsights(const std::vector<MeasuredEpoch>& epochs) {
  std::vector<std::string> insights;
  uint64_t failures = 0;
  for (const MeasuredEpoch& epoch : epochs) failures += epoch.figures.failures;
  if (failures > 0) {
    const auto failed = std::ranges::find_if(epochs, [](const auto& epoch) { return epoch.figures.failures > 0; });
    insights.push_back(fmt::format("{} reads failed; the first: {}", failures, failed->figures.first_failure));
  }
  // What the first epoch says is what a loader that has just been started sees.
  const MeasuredEpoch& first = epochs.front();
  if (std::ranges::any_of(epochs, [](const auto& epoch) { return epoch.figures.samples == 0; })) return insights;
  CompareFirstWithLast(epochs, insights);
  SplitTime(first, insights);
  DescribeTail(first, insights);
  DescribeDisk(first, insights);
  DescribeDaemon(first, insights);
  DescribeList(first, insights);
  for (const MeasuredEpoch& epoch : epochs) DescribePlan(epoch, insights);
  if (std::ranges::any_of(epochs, [](const auto& epoch) { return !epoch.figures.complete; }))
    insights.emplace_back("At least one epoch was cut at --limit: its figures are those of the files it came to.");
  return insights;
}

}  // namespace quire::bench
