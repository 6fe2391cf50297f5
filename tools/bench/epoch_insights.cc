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

// What would be gained if everything came out of the cache: only where that is what happened.
void CompareFirstWithLast(const std::vector<MeasuredEpoch>& epochs, std::vector<std::string>& insights) {
  const MeasuredEpoch& first = epochs.front();
  const MeasuredEpoch& last = epochs.back();
  std::string sentence = fmt::format("The first epoch ({}): {}", LabelOf(first), Rate(first.figures));
  if (epochs.size() > 1) sentence += fmt::format("; the last ({}): {}", LabelOf(last), Rate(last.figures));
  if (first.from == ServedFrom::kBelow && last.from == ServedFrom::kCaches)
    sentence += fmt::format(": the caches are worth {:.1f} x",
                            last.figures.samples_per_second() / first.figures.samples_per_second());
  insights.push_back(sentence + ".");
}

// Caches that were dropped, and yet served.
void DescribeFailedColdness(const std::vector<MeasuredEpoch>& epochs, const StorageWatch& watch,
                            std::vector<std::string>& insights) {
  const auto failed = std::ranges::find_if(epochs, [](const MeasuredEpoch& epoch) {
    return epoch.prepared == Prepared::kDropped && epoch.from != ServedFrom::kBelow;
  });
  if (failed == epochs.end()) return;
  const std::string epoch = fmt::format("epoch {}", failed - epochs.begin() + 1);
  switch (failed->from) {
    case ServedFrom::kMemory:
      insights.emplace_back("Nothing can be cold here: the storage lies in memory.");
      return;
    case ServedFrom::kUnknown:
      insights.push_back(fmt::format(
          "Whether {} was cold is not known: {}.{}", epoch, watch.why_no_bytes(),
          watch.behind_daemon() ? " The daemon's memory, which --cold does not touch, may have served it." : ""));
      return;
    default:
      insights.push_back(fmt::format(
          "The caches were dropped, and yet {} was not cold: {} of its {} came from below. {}", epoch,
          FormatValue(static_cast<double>(*failed->figures.spent.fetched.bytes), Unit::kBytes),
          FormatValue(static_cast<double>(failed->figures.bytes), Unit::kBytes),
          watch.behind_daemon() ? "The daemon behind the mount served the rest from its own memory, which --cold does "
                                  "not touch: mount anew before each cold epoch."
                                : "The rest lay in memory, or takes less space on the disk than in its files."));
  }
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

void DescribeDisk(const MeasuredEpoch& epoch, const StorageWatch& watch, std::vector<std::string>& insights) {
  const auto& figures = epoch.figures;
  const auto& fetched = figures.spent.fetched.bytes;
  if (epoch.from != ServedFrom::kBelow || figures.bytes == 0) return;
  insights.push_back(fmt::format("{} came from below for {} of samples ({:.2f} x), counted by {}.",
                                 FormatValue(static_cast<double>(*fetched), Unit::kBytes),
                                 FormatValue(static_cast<double>(figures.bytes), Unit::kBytes),
                                 static_cast<double>(*fetched) / static_cast<double>(figures.bytes),
                                 watch.counted_by()));
}

void DescribeDaemon(const MeasuredEpoch& epoch, const StorageWatch& watch, std::vector<std::string>& insights) {
  const auto& figures = epoch.figures;
  if (watch.behind_daemon() && watch.daemons().empty())
    insights.push_back(fmt::format("What the daemon behind the mount computed is not known: {}.", watch.why_no_cpu()));
  if (!figures.spent.daemon_cpu_seconds || figures.bytes == 0) return;
  insights.push_back(fmt::format(
      "Behind the mount the daemon computed {} for each GB, the readers {}.",
      FormatValue(*figures.spent.daemon_cpu_seconds / static_cast<double>(figures.bytes) * 1e9, Unit::kSeconds),
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

const char* PreparedName(Prepared prepared) {
  switch (prepared) {
    case Prepared::kDropped:
      return "caches dropped";
    case Prepared::kNothing:
      return "nothing";
    case Prepared::kAfterEpoch:
      break;
  }
  return "an epoch before";
}

std::string LabelOf(const MeasuredEpoch& epoch) {
  if (epoch.from != ServedFrom::kPartly) return ServedFromName(epoch.from);
  return fmt::format("{:.0f} % cold", 100 * static_cast<double>(*epoch.figures.spent.fetched.bytes) /
                                          static_cast<double>(epoch.figures.bytes));
}

std::vector<std::string> EpochInsights(const std::vector<MeasuredEpoch>& epochs, const StorageWatch& watch) {
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
  DescribeFailedColdness(epochs, watch, insights);
  SplitTime(first, insights);
  DescribeTail(first, insights);
  DescribeDisk(first, watch, insights);
  DescribeDaemon(first, watch, insights);
  DescribeList(first, insights);
  for (const MeasuredEpoch& epoch : epochs) DescribePlan(epoch, insights);
  if (std::ranges::any_of(epochs, [](const auto& epoch) { return !epoch.figures.complete; }))
    insights.emplace_back("At least one epoch was cut at --limit: its figures are those of the files it came to.");
  return insights;
}

}  // namespace quire::bench
