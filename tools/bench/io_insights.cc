#include "tools/bench/io_insights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "tools/bench/chart.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

double Rate(const IoResult& result) { return result.bytes_per_second.mean; }

std::string RateText(const IoResult& result) { return FormatValue(Rate(result), Unit::kBytesPerSecond); }
std::string BytesText(double bytes) { return FormatValue(bytes, Unit::kBytes); }
std::string SecondsText(double seconds) { return FormatValue(seconds, Unit::kSeconds); }
std::string PercentText(double share) { return FormatValue(share, Unit::kPercent); }
// Two digits: "0.025 times", "1.9 times", "16 times", "160 times".
std::string TimesText(double times) {
  return times < 10 ? fmt::format("{:.2g} times", times) : fmt::format("{:.0f} times", times);
}

std::vector<const IoResult*> Of(std::span<const IoResult> results, IoExperiment experiment) {
  std::vector<const IoResult*> chosen;
  for (const IoResult& result : results)
    if (result.point.experiment == experiment) chosen.push_back(&result);
  return chosen;
}

CostPoint ToCostPoint(const IoResult& result) {
  return {.bytes = result.request_bytes(), .seconds = 1 / result.requests_per_second.median};
}

// Without sizes that clearly differ the fit would explain noise.
std::optional<CostModel> FitCostOfSizes(std::span<const CostPoint> points) {
  if (points.empty()) return std::nullopt;
  const auto [smallest, largest] = std::ranges::minmax(points, {}, &CostPoint::bytes);
  return largest.bytes < 2 * smallest.bytes ? std::nullopt : FitCost(points);
}

void AddCost(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto cost = RequestCost(results);
  if (!cost) return;
  std::string sentence = fmt::format(
      "C = N*U + R: a random request of N bytes costs R = {} plus U = {} for each MiB (the measured times lie within "
      "{} "
      "of that).",
      SecondsText(cost->seconds_per_request), SecondsText(cost->seconds_per_byte * (1 << 20)),
      PercentText(cost->worst_error));
  if (cost->seconds_per_request > 0)
    sentence += fmt::format(" Asking costs as much as reading at {}: gather samples into pieces well above that.",
                            BytesText(cost->break_even_bytes()));
  insights.push_back(std::move(sentence));
}

void AddBestBlock(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto by_block = SequentialByBlock(results);
  const IoResult* const good = SmallestGoodBlock(by_block);
  if (good == nullptr || by_block.size() < 2) return;
  const IoResult& best = **std::ranges::max_element(by_block, {}, [](const IoResult* result) { return Rate(*result); });
  const IoResult& smallest = *by_block.front();
  std::string sentence =
      fmt::format("Sequential reads (files of {}): blocks of {} are large enough, with {}", good->file_class,
                  BytesText(static_cast<double>(good->point.block_bytes)), RateText(*good));
  if (&best != good)
    sentence += fmt::format("; the best are {} with {}", BytesText(static_cast<double>(best.point.block_bytes)),
                            RateText(best));
  if (&smallest != good)
    sentence +=
        fmt::format("; {} reach {}", BytesText(static_cast<double>(smallest.point.block_bytes)), RateText(smallest));
  insights.push_back(sentence + ".");
}

void AddRandomness(std::span<const IoResult> results, std::vector<std::string>& insights) {
  std::vector<std::string> parts;
  for (const IoResult* const random : RandomByBlock(results))
    for (const IoResult* const sequential : SequentialByBlock(results))
      if (sequential->point.block_bytes == random->point.block_bytes)
        parts.push_back(fmt::format("{} of the sequential rate with blocks of {} ({} against {})",
                                    PercentText(Rate(*random) / Rate(*sequential)),
                                    BytesText(static_cast<double>(random->point.block_bytes)), RateText(*random),
                                    RateText(*sequential)));
  if (parts.empty()) return;
  std::string sentence = "Cost of randomness: random reads run at " + parts.front();
  if (parts.size() > 1) sentence += ", at " + parts.back();
  insights.push_back(sentence + ".");
}

void AddThreads(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto points = ThreadPoints(results);
  if (points.size() < 2) return;
  const unsigned knee = KneeOfThreads(points);
  const auto at_knee = std::ranges::find(points, knee, &ThreadPoint::threads);
  const auto rate = [](const ThreadPoint& point) { return FormatValue(point.rate, Unit::kBytesPerSecond); };
  if (knee == points.front().threads) {
    insights.push_back(
        fmt::format("Threads do not help: one reads {}, and no number of them reads 10 % more.", rate(points.front())));
    return;
  }
  const double efficiency = ScalingEfficiency(points)[static_cast<size_t>(at_knee - points.begin())];
  std::string sentence =
      fmt::format("Threads help up to {}: {}, {} the {} of one (efficiency {})", knee, rate(*at_knee),
                  TimesText(at_knee->rate / points.front().rate), rate(points.front()), PercentText(efficiency));
  sentence += knee == points.back().threads ? "; more may help further (--threads)." : "; more bring less than 10 %.";
  insights.push_back(std::move(sentence));
}

void AddFileSizes(std::span<const IoResult> results, std::vector<std::string>& insights) {
  auto whole = Of(results, IoExperiment::kWholeFiles);
  std::erase_if(whole, [](const IoResult* result) { return result->point.cached; });
  if (whole.empty()) return;
  const IoResult& small = *whole.front();
  const IoResult& large = *whole.back();
  std::string sentence = fmt::format("Whole files of {}, one after another: {} ({})", small.file_class,
                                     FormatValue(small.requests_per_second.mean, Unit::kPerSecond), RateText(small));
  if (&small != &large)
    sentence +=
        fmt::format("; of {}: {}, {} as much", large.file_class, RateText(large), TimesText(Rate(large) / Rate(small)));
  if (const auto cost = FileCost(results); cost && cost->seconds_per_request > 0)
    sentence += fmt::format(". A file costs {} beyond its bytes, as much as {} of them",
                            SecondsText(cost->seconds_per_request), BytesText(cost->break_even_bytes()));
  insights.push_back(sentence + ".");
}

// How a method did against read() in one kind of access.
struct Comparison {
  std::string what;
  double ratio = 0;
};

std::string Join(const std::vector<Comparison>& comparisons) {
  std::string text;
  for (const auto& [what, ratio] : comparisons)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", what, TimesText(ratio));
  return text;
}

void AddMethod(std::span<const IoResult> results, IoMethod method, std::vector<std::string>& insights) {
  std::vector<Comparison> faster;
  std::vector<Comparison> slower;
  std::vector<Comparison> same;
  const auto all = Of(results, IoExperiment::kMethods);
  for (const IoResult* const plain : all)
    for (const IoResult* const other : all) {
      const IoPoint& a = plain->point;
      const IoPoint& b = other->point;
      if (a.method != IoMethod::kRead || b.method != method || a.access != b.access || a.cached != b.cached) continue;
      const Comparison comparison = {fmt::format("{} {} reads", a.cached ? "cached" : "uncached", AccessName(a.access)),
                                     Rate(*other) / Rate(*plain)};
      // A difference is one only beyond 10 %, and where not even the extremes of several repeats overlap.
      const bool repeated = plain->bytes_per_second.count > 1 && other->bytes_per_second.count > 1;
      if (repeated && comparison.ratio > 1.1 && other->bytes_per_second.min > plain->bytes_per_second.max)
        faster.push_back(comparison);
      else if (repeated && comparison.ratio < 0.9 && other->bytes_per_second.max < plain->bytes_per_second.min)
        slower.push_back(comparison);
      else
        same.push_back(comparison);
    }
  if (faster.empty() && slower.empty() && same.empty()) return;
  std::string sentence = fmt::format("{} against read(): ", MethodName(method));
  std::vector<std::string> parts;
  if (!faster.empty()) parts.push_back("it helps with " + Join(faster));
  if (!slower.empty()) parts.push_back("it costs with " + Join(slower));
  if (!same.empty()) parts.push_back("no difference beyond the spread of the repeats with " + Join(same));
  insights.push_back(fmt::format("{}{}.", sentence, fmt::join(parts, "; ")));
}

void AddLatency(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto by_block = RandomByBlock(results);
  if (by_block.empty()) return;
  const IoResult& smallest = *by_block.front();
  const double usual = Percentile(smallest.latency_seconds, 50);
  const double slow = Percentile(smallest.latency_seconds, 99);
  insights.push_back(
      fmt::format("Latency: half of the random reads of {} take up to {}, one in a hundred more than {} "
                  "({}), the slowest {}.",
                  BytesText(static_cast<double>(smallest.point.block_bytes)), SecondsText(usual), SecondsText(slow),
                  TimesText(slow / usual), SecondsText(smallest.latency_seconds.back())));
}

// That what was evicted was not read from below, or that nobody knows.
void AddFailedColdness(std::span<const IoResult> results, const StorageWatch& watch,
                       std::vector<std::string>& insights) {
  if (watch.in_memory()) {
    insights.emplace_back("The storage lies in memory: no figure is one of a disk.");
    return;
  }
  uint64_t evicted = 0;
  uint64_t cold = 0;
  Fetched fetched{.bytes = 0};
  uint64_t served_bytes = 0;
  for (const IoResult& result : results) {
    if (result.point.cached) continue;
    ++evicted;
    if (result.from == ServedFrom::kBelow) {
      ++cold;
      continue;
    }
    fetched = fetched + result.fetched;
    served_bytes += result.bytes;
  }
  if (cold == evicted) return;
  if (!fetched.bytes || fetched.at_least) {
    insights.push_back(fmt::format("Whether what was evicted was read from below is not known: {}.{}",
                                   watch.why_no_bytes().empty() ? watch.counted_by() : watch.why_no_bytes(),
                                   watch.behind_daemon() ? " The daemon's memory may have served it." : ""));
    return;
  }
  insights.push_back(fmt::format(
      "Not cold: {} of {} measurements whose files were evicted before got {} of their {} from below. {}",
      evicted - cold, evicted, BytesText(static_cast<double>(*fetched.bytes)),
      BytesText(static_cast<double>(served_bytes)),
      watch.behind_daemon() ? "The daemon behind the mount served the rest from its own memory, which neither eviction "
                              "nor --cold touches."
                            : "The rest lay in memory, or takes less space on the disk than in its files."));
}

}  // namespace

std::optional<CostModel> RequestCost(std::span<const IoResult> results) {
  std::vector<CostPoint> points;
  for (const IoResult* const result : Of(results, IoExperiment::kRandom)) points.push_back(ToCostPoint(*result));
  return FitCostOfSizes(points);
}

std::optional<CostModel> FileCost(std::span<const IoResult> results) {
  std::vector<CostPoint> points;
  for (const IoResult* const result : Of(results, IoExperiment::kWholeFiles))
    if (!result->point.cached) points.push_back(ToCostPoint(*result));
  return FitCostOfSizes(points);
}

std::vector<ThreadPoint> ThreadPoints(std::span<const IoResult> results) {
  std::vector<ThreadPoint> points;
  for (const IoResult* const result : Of(results, IoExperiment::kThreads))
    points.push_back({result->point.threads, Rate(*result)});
  return points;
}

const IoResult* SmallestGoodBlock(std::span<const IoResult* const> results) {
  double best = 0;
  for (const IoResult* const result : results) best = std::max(best, Rate(*result));
  const auto good = std::ranges::find_if(results, [&](const IoResult* result) { return Rate(*result) >= 0.9 * best; });
  return good == results.end() ? nullptr : *good;
}

std::vector<const IoResult*> SequentialByBlock(std::span<const IoResult> results) {
  const auto random = Of(results, IoExperiment::kRandom);
  auto sequential = Of(results, IoExperiment::kSequential);
  std::erase_if(sequential, [&](const IoResult* result) {
    return random.empty() || result->point.file_class != random.front()->point.file_class;
  });
  return sequential;
}

std::vector<const IoResult*> RandomByBlock(std::span<const IoResult> results) {
  std::vector<const IoResult*> by_block;
  for (const IoResult* const result : Of(results, IoExperiment::kRandom)) {
    if (!by_block.empty() && by_block.back()->point.block_bytes == result->point.block_bytes)
      by_block.back() = result;  // of the larger count, which comes later
    else
      by_block.push_back(result);
  }
  return by_block;
}

std::vector<std::string> IoInsights(std::span<const IoResult> results, const StorageWatch& watch) {
  std::vector<std::string> insights;
  AddFailedColdness(results, watch, insights);
  AddCost(results, insights);
  AddBestBlock(results, insights);
  AddRandomness(results, insights);
  AddThreads(results, insights);
  AddFileSizes(results, insights);
  for (const IoMethod method : {IoMethod::kMmap, IoMethod::kDirect, IoMethod::kUring})
    AddMethod(results, method, insights);
  AddLatency(results, insights);
  return insights;
}

}  // namespace quire::bench
