// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/io_insights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "tools/bench/chart.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

constexpr double kGoodEnough = 0.9;  // of the best rate

std::string RateText(const IoResult& result) { return FormatValue(MeanRate(result), Unit::kBytesPerSecond); }
std::string BytesText(double bytes) { return FormatValue(bytes, Unit::kBytes); }
std::string SecondsText(double seconds) { return FormatValue(seconds, Unit::kSeconds); }
std::string PercentText(double share) { return FormatValue(share, Unit::kPercent); }
std::string BlockText(const IoResult& result) { return BytesText(static_cast<double>(result.point.block_bytes)); }
// "1.9 x (1.8 to 2.1)".
std::string TimesText(const Interval& ratio) {
  return fmt::format("{:.3g} x ({:.3g} to {:.3g})", ratio.middle, ratio.low, ratio.high);
}
std::string SecondsText(const Interval& seconds) {
  return fmt::format("{} ({} to {})", SecondsText(seconds.middle), SecondsText(seconds.low), SecondsText(seconds.high));
}

std::optional<Interval> RateRatio(const IoResult& a, const IoResult& b) {
  return RatioOf(a.bytes_per_second, b.bytes_per_second);
}

// What the results were served from where that is one thing for all; empty where it differs, or for no results.
std::optional<ServedFrom> CommonLabel(std::span<const IoResult* const> results) {
  const auto differs = [&](const IoResult* result) { return result->from != results.front()->from; };
  if (results.empty() || std::ranges::any_of(results, differs)) return std::nullopt;
  return results.front()->from;
}

// The model of the means of these rounds.
std::optional<CostModel> FitRounds(std::span<const IoResult* const> results, std::span<const size_t> rounds) {
  std::vector<CostPoint> points;
  for (const IoResult* const result : results) {
    double seconds = 0;
    for (const size_t round : rounds) seconds += 1 / result->requests_per_second[round];
    points.push_back({.bytes = result->request_bytes(), .seconds = seconds / static_cast<double>(rounds.size())});
  }
  return FitCost(points);
}

size_t RoundsOf(std::span<const IoResult* const> results) {
  return std::ranges::min(results, {}, [](const IoResult* result) { return result->bytes_per_second.size(); })
      ->bytes_per_second.size();
}

Cost FitCostOf(std::span<const IoResult* const> results) {
  if (results.size() < 2) return {.why_none = "there are no two sizes of requests"};
  const auto [smallest, largest] = std::ranges::minmax(results, {}, &IoResult::request_bytes);
  if (largest->request_bytes() < 2 * smallest->request_bytes())
    return {.why_none = "the sizes of the requests hardly differ"};
  if (!CommonLabel(results)) return {.why_none = "some were cold and others were not"};
  const size_t rounds = RoundsOf(results);
  std::vector<size_t> all(rounds);
  for (size_t i = 0; i < rounds; ++i) all[i] = i;
  Cost cost{.model = FitRounds(results, all)};
  const auto interval_of = [&](double CostModel::* field) {
    return Bootstrap(rounds, [&](std::span<const size_t> drawn) {
      const auto model = FitRounds(results, drawn);
      return model ? std::log((*model).*field) : std::nan("");
    });
  };
  if (!cost.model) return {.why_none = "larger requests do not take longer"};
  if (cost.model->worst_error > kMostModelError)
    return {.why_none =
                fmt::format("the measured times differ from it by up to {}", PercentText(cost.model->worst_error))};
  cost.seconds_per_byte = interval_of(&CostModel::seconds_per_byte);
  cost.seconds_per_request = interval_of(&CostModel::seconds_per_request);
  if (!cost.seconds_per_byte) return {.why_none = fmt::format("{} rounds are too few to tell how sure it is", rounds)};
  return cost;
}

void AddCost(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  if (random.empty()) return;
  const Cost cost = RequestCost(results);
  if (!cost.model) {
    insights.push_back(fmt::format("No cost model C = N*U + R of random requests: {}.", cost.why_none));
    return;
  }
  std::string sentence = fmt::format(
      "C = N*U + R ({}): a random request of N bytes costs R = {} plus U = {} for each MiB; the measured times lie "
      "within "
      "{} of that.",
      ServedFromName(random.front()->from),
      cost.seconds_per_request ? SecondsText(*cost.seconds_per_request) : "next to nothing",
      SecondsText({.low = cost.seconds_per_byte->low * (1 << 20),
                   .middle = cost.seconds_per_byte->middle * (1 << 20),
                   .high = cost.seconds_per_byte->high * (1 << 20)}),
      PercentText(cost.model->worst_error));
  if (cost.seconds_per_request)
    sentence += fmt::format(" Asking costs as much as reading at {}: gather samples into pieces well above that.",
                            BytesText(cost.model->break_even_bytes()));
  insights.push_back(std::move(sentence));
}

void AddBestBlock(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto by_block = SequentialByBlock(results);
  if (by_block.size() < 2) return;
  const IoResult* const good = FirstGoodEnough(by_block);
  if (good == nullptr) {
    insights.push_back(fmt::format("Sequential reads: which block is large enough cannot be told from {} rounds.",
                                   RoundsOf(by_block)));
    return;
  }
  const IoResult& smallest = *by_block.front();
  std::string sentence = fmt::format("Sequential reads (files of {}, {}): blocks of {} are large enough, with {}",
                                     good->file_class, ServedFromName(good->from), BlockText(*good), RateText(*good));
  if (&smallest != good) {
    sentence += fmt::format("; {} reach {}", BlockText(smallest), RateText(smallest));
    if (const auto ratio = RateRatio(smallest, *good)) sentence += fmt::format(", {}", TimesText(*ratio));
  }
  insights.push_back(sentence + ".");
}

void AddRandomness(std::span<const IoResult> results, std::vector<std::string>& insights) {
  std::vector<std::string> parts;
  for (const IoResult* const random : OfExperiment(results, IoExperiment::kRandom))
    for (const IoResult* const sequential : SequentialByBlock(results)) {
      if (sequential->point.block_bytes != random->point.block_bytes || random->from != sequential->from) continue;
      const auto ratio = RateRatio(*random, *sequential);
      if (!ratio) continue;
      parts.push_back(fmt::format("with blocks of {} {} ({} against {})", BlockText(*random),
                                  ratio->holds(1) ? fmt::format("no difference, {}", TimesText(*ratio))
                                                  : fmt::format("{} the sequential rate", TimesText(*ratio)),
                                  RateText(*random), RateText(*sequential)));
    }
  if (parts.empty()) return;
  std::string sentence = "Cost of randomness: random reads run " + parts.front();
  if (parts.size() > 1) sentence += ", " + parts.back();
  insights.push_back(sentence + ".");
}

void AddThreads(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto by_threads = OfExperiment(results, IoExperiment::kThreads);
  if (by_threads.size() < 2) return;
  const IoResult& one = *by_threads.front();
  if (!CommonLabel(by_threads)) {
    insights.emplace_back("Threads: some were cold and others were not, so they cannot be compared.");
    return;
  }
  const IoResult* const knee = FirstGoodEnough(by_threads);
  if (knee == nullptr) {
    insights.push_back(
        fmt::format("Threads: how many are enough cannot be told from {} rounds.", RoundsOf(by_threads)));
    return;
  }
  if (knee == &one) {
    insights.push_back(fmt::format("Threads do not help ({}): one reads {}, and no number of them reads 10 % more.",
                                   ServedFromName(one.from), RateText(one)));
    return;
  }
  const auto ratio = RateRatio(*knee, one);
  insights.push_back(
      fmt::format("Threads help up to {} ({}): {}, {} the {} of one{}", knee->point.depth, ServedFromName(knee->from),
                  RateText(*knee), ratio ? TimesText(*ratio) : "more than", RateText(one),
                  knee == by_threads.back() ? "; more may help further (--threads)." : "; more bring less than 10 %."));
}

void AddFileSizes(std::span<const IoResult> results, bool cold, std::vector<std::string>& insights) {
  auto whole = OfExperiment(results, IoExperiment::kWholeFiles);
  std::erase_if(whole, [](const IoResult* result) { return result->point.cached; });
  if (whole.empty()) return;
  std::vector<std::string> parts;
  for (const IoResult* const result : {whole.front(), whole.back()}) {
    if (!parts.empty() && result == whole.front()) continue;
    const double files = MeanRate(*result) / result->request_bytes();
    parts.push_back(fmt::format("of {} {} files/s ({}, {})", result->file_class, FormatCount(std::llround(files)),
                                RateText(*result), ServedFromName(result->from)));
  }
  std::string sentence = fmt::format("Whole files, one after another: {}", fmt::join(parts, "; "));
  if (const Cost cost = FileCost(results); cost.seconds_per_request)
    sentence += fmt::format(". A file costs {} beyond its bytes, as much as {} of them",
                            SecondsText(*cost.seconds_per_request), BytesText(cost.model->break_even_bytes()));
  if (!cold) sentence += ". Their names and attributes stayed cached; --cold drops those too";
  insights.push_back(sentence + ".");
}

// A method against read(), as many requests at a time.
void AddMethod(std::span<const IoResult> results, IoMethod method, unsigned depth, std::vector<std::string>& insights) {
  std::vector<std::string> faster;
  std::vector<std::string> slower;
  std::vector<std::string> same;
  std::vector<std::string> untold;
  const auto all = OfExperiment(results, IoExperiment::kMethods);
  for (const IoResult* const plain : all)
    for (const IoResult* const other : all) {
      const IoPoint& a = plain->point;
      const IoPoint& b = other->point;
      if (a.method != IoMethod::kRead || b.method != method || a.access != b.access || a.cached != b.cached ||
          a.depth != depth || b.depth != depth)
        continue;
      const std::string what =
          fmt::format("{} reads of what was {}", AccessName(a.access), a.cached ? "read before" : "evicted");
      const auto ratio = RateRatio(*other, *plain);
      if (plain->from != other->from)
        untold.push_back(fmt::format("{} (one was {}, the other {})", what, ServedFromName(plain->from),
                                     ServedFromName(other->from)));
      else if (!ratio)
        untold.push_back(fmt::format("{} ({} rounds)", what, plain->bytes_per_second.size()));
      else
        (ratio->holds(1)  ? same
         : ratio->low > 1 ? faster
                          : slower)
            .push_back(fmt::format("{} ({}: {})", what, ServedFromName(plain->from), TimesText(*ratio)));
    }
  std::vector<std::string> parts;
  if (!faster.empty()) parts.push_back(fmt::format("it is faster with {}", fmt::join(faster, ", ")));
  if (!slower.empty()) parts.push_back(fmt::format("it is slower with {}", fmt::join(slower, ", ")));
  if (!same.empty()) parts.push_back(fmt::format("no difference with {}", fmt::join(same, ", ")));
  if (!untold.empty()) parts.push_back(fmt::format("nothing can be told of {}", fmt::join(untold, ", ")));
  if (parts.empty()) return;
  const std::string against =
      depth == 1 ? "read()" : fmt::format("read() in {} threads, {} requests at a time", depth, depth);
  insights.push_back(fmt::format("{} against {}: {}.", MethodName(method), against, fmt::join(parts, "; ")));
}

void AddLatency(std::span<const IoResult> results, std::vector<std::string>& insights) {
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  if (random.empty()) return;
  const IoResult& smallest = *random.front();
  const auto usual = PercentileOf(smallest.latency_seconds, 50);
  const auto slow = PercentileOf(smallest.latency_seconds, 99);
  if (!usual || !slow) return;
  insights.push_back(fmt::format(
      "Latency: half of the {} random reads of {} ({}) took up to {}, one in a hundred more than {}, the slowest {}.",
      FormatCount(smallest.latency_seconds.size()), BlockText(smallest), ServedFromName(smallest.from),
      SecondsText(*usual), SecondsText(*slow), SecondsText(smallest.latency_seconds.back())));
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

Cost RequestCost(std::span<const IoResult> results) { return FitCostOf(OfExperiment(results, IoExperiment::kRandom)); }

Cost FileCost(std::span<const IoResult> results) {
  auto whole = OfExperiment(results, IoExperiment::kWholeFiles);
  std::erase_if(whole, [](const IoResult* result) { return result->point.cached; });
  return FitCostOf(whole);
}

const IoResult* FirstGoodEnough(std::span<const IoResult* const> results) {
  if (results.empty()) return nullptr;
  const IoResult* const best = *std::ranges::max_element(results, {}, [](const IoResult* r) { return MeanRate(*r); });
  for (const IoResult* const result : results) {
    const auto ratio = RateRatio(*result, *best);
    if (!ratio) return nullptr;
    if (result == best || ratio->low >= kGoodEnough) return result;
  }
  return nullptr;
}

std::vector<const IoResult*> OfExperiment(std::span<const IoResult> results, IoExperiment experiment) {
  std::vector<const IoResult*> chosen;
  for (const IoResult& result : results)
    if (result.point.experiment == experiment) chosen.push_back(&result);
  return chosen;
}

std::vector<const IoResult*> SequentialByBlock(std::span<const IoResult> results) {
  const auto random = OfExperiment(results, IoExperiment::kRandom);
  auto sequential = OfExperiment(results, IoExperiment::kSequential);
  std::erase_if(sequential, [&](const IoResult* result) {
    return random.empty() || result->point.file_class != random.front()->point.file_class;
  });
  return sequential;
}

double MeanRate(const IoResult& result) { return Summarize(result.bytes_per_second).mean; }

std::vector<std::string> IoInsights(std::span<const IoResult> results, const IoSettings& settings) {
  std::vector<std::string> insights;
  AddFailedColdness(results, settings.watch, insights);
  AddCost(results, insights);
  AddBestBlock(results, insights);
  AddRandomness(results, insights);
  AddThreads(results, insights);
  AddFileSizes(results, settings.cold, insights);
  for (const IoMethod method : {IoMethod::kMmap, IoMethod::kDirect, IoMethod::kUring})
    for (const unsigned depth : {1U, kMostDepth}) AddMethod(results, method, depth, insights);
  AddLatency(results, insights);
  return insights;
}

}  // namespace quire::bench
