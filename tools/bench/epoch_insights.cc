// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/epoch_insights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/bench/chart.h"
#include "tools/bench/comparison.h"
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
    if (const auto ratio = RatioOf(last.figures.piece_rates, first.figures.piece_rates); ratio && !ratio->holds(1))
      sentence += fmt::format(": the caches are worth {:.3g} x ({:.3g} to {:.3g}, by the tenths of both)",
                              ratio->middle, ratio->low, ratio->high);
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
  // Waiting says nothing of whether more readers would help: that the storage is busy looks the same.
  const auto percent = [&](double seconds) { return fmt::format("{:.0f} %", 100 * seconds / reader_seconds); };
  insights.push_back(fmt::format(
      "The readers computed for {} of that time{} and waited for the rest. Whether more of them would help, "
      "--more-readers measures.",
      percent(epoch.figures.reader_cpu_seconds),
      epoch.figures.run_queue_seconds
          ? fmt::format(", waited for a core for {}", percent(*epoch.figures.run_queue_seconds))
          : ""));
}

void DescribeTail(const MeasuredEpoch& epoch, std::vector<std::string>& insights) {
  const auto p50 = epoch.figures.latency_at(50);
  const auto p99 = epoch.figures.latency_at(99);
  if (!p50 || !p99) return;
  insights.push_back(fmt::format("One file in a hundred took longer than {}, {:.0f} x the median of {}.",
                                 FormatValue(*p99, Unit::kSeconds), *p99 / *p50, FormatValue(*p50, Unit::kSeconds)));
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

std::string MoreReadersInsight(const MoreReaders& more) {
  const auto ratio = RatioOf(more.more_rates, more.fewer_rates);
  if (!ratio)
    return fmt::format(
        "Whether {} readers help instead of {} cannot be told: there are too few files, or the time was too "
        "short, for {} pairs of pieces.",
        2 * more.readers, more.readers, kLeastRounds);
  return fmt::format("{} readers instead of {} ({}) came to {:.3g} x the rate ({:.3g} to {:.3g}): {}.",
                     2 * more.readers, more.readers, ServedFromName(more.from), ratio->middle, ratio->low, ratio->high,
                     ratio->holds(1)  ? "no difference that could be told"
                     : ratio->low > 1 ? "more readers help"
                                      : "more readers hurt");
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
