// SPDX-License-Identifier: Apache-2.0
// `quire bench epoch`: what a loader does with a folder, epoch after epoch.
#include <algorithm>
#include <memory>
#include <random>
#include <thread>

#include "tools/bench/comparison.h"
#include "tools/bench/epoch.h"
#include "tools/bench/epoch_insights.h"
#include "tools/bench/experiment.h"
#include "tools/bench/plan_pipe.h"
#include "tools/bench/statistics.h"
#include "tools/bench/step_progress.h"
#include "tools/bench/system_counters.h"
#include "tools/interrupt.h"

namespace quire::bench {
namespace {

constexpr double kDefaultLimitSeconds = 40;  // two epochs and their lists end within two minutes
constexpr double kQuickLimitSeconds = 5;

struct Arguments {
  std::string path;
  std::string order = "random";
  std::string list = "readdir";
  unsigned threads = 0;
  unsigned processes = 0;
  unsigned batch = 32;
  unsigned epochs = 2;
  uint64_t seed = 1;
  double limit_seconds = kDefaultLimitSeconds;
  bool cold = false;
  bool plan = false;
  bool more_readers = false;
  bool quick = false;
  StoreOpener open = OpenStore;
  Outputs outputs;
};

struct Experiment {
  Arguments arguments;
  EpochSettings settings;
  StorageWatch watch = {};
  std::vector<MeasuredEpoch> epochs = {};
  std::optional<MoreReaders> more_readers = {};
};

Prepared PreparedFor(const Arguments& arguments, unsigned epoch) {
  if (arguments.cold) return Prepared::kDropped;
  return epoch == 0 ? Prepared::kNothing : Prepared::kAfterEpoch;
}

// The order of all samples but for a random one, which is another for each epoch. Looks at every file for "page".
Result<std::vector<uint64_t>> FixedOrder(SampleStore& store, const Arguments& arguments) {
  if (auto listed = store.List(); !listed) return Propagate(std::move(listed));
  if (store.sample_count() == 0) return MakeError(ErrorCode::kNotFound, "{}: holds no regular file", arguments.path);
  if (arguments.order == "page") return store.PageOrder();
  return CountUp(store.sample_count());
}

// Lists the samples as a loader does at its start; empties the caches before if so wanted. Returns the seconds of
// listing.
Result<double> ListAgain(SampleStore& store, const Experiment& experiment) {
  const Arguments& arguments = experiment.arguments;
  const uint64_t samples = store.sample_count();
  if (arguments.cold)
    if (auto dropped = DropCaches(experiment.watch.daemons()); !dropped) return Propagate(std::move(dropped));
  const double start = NowSeconds();
  if (auto listed = arguments.list == "stat" ? store.ListWithAttributes() : store.List(); !listed)
    return Propagate(std::move(listed));
  const double seconds = NowSeconds() - start;
  if (store.sample_count() != samples)
    return MakeError(ErrorCode::kUnreadable, "{}: files came or went while it was measured", arguments.path);
  return seconds;
}

// One more epoch, prepared as the last one, in pairs of pieces: so each sample is read once, and what changes with time
// changes for both. Which of a pair comes first changes too.
Result<void> MeasureMoreReaders(Experiment& experiment, SampleStore& store, std::span<const uint64_t> order) {
  if (auto listed = ListAgain(store, experiment); !listed) return Propagate(std::move(listed));
  MoreReaders more{.readers = experiment.settings.readers};
  constexpr size_t kPairs = 10;
  Fetched fetched{.bytes = 0};
  uint64_t served_bytes = 0;
  const auto piece = [&](size_t number) {
    const size_t begin = order.size() * number / (2 * kPairs);
    return order.subspan(begin, order.size() * (number + 1) / (2 * kPairs) - begin);
  };
  for (size_t number = 0; number < 2 * kPairs; ++number) {
    const bool is_more = (number % 4 == 1) || (number % 4 == 2);
    EpochSettings settings = experiment.settings;
    settings.readers *= is_more ? 2 : 1;
    settings.limit_seconds /= 2 * kPairs;
    // All readers need a batch at least, or the last one alone is measured.
    settings.batch = static_cast<unsigned>(
        std::clamp<size_t>(order.size() / (2 * kPairs) / (size_t{8} * experiment.settings.readers), 1, settings.batch));
    if (piece(number).size() < static_cast<size_t>(8) * experiment.settings.readers) break;
    const auto figures = RunEpoch(store, piece(number), settings, experiment.watch);
    if (!figures) return std::unexpected(figures.error());
    if (figures->samples == 0) break;
    fetched = fetched + figures->spent.fetched;
    served_bytes += figures->bytes;
    (is_more ? more.more_rates : more.fewer_rates).push_back(figures->samples_per_second());
  }
  more.from = JudgeBytes(fetched, served_bytes, experiment.watch.in_memory());
  experiment.more_readers = std::move(more);
  return {};
}

nlohmann::ordered_json ToResult(const MoreReaders& more) {
  nlohmann::ordered_json result = {{"experiment", "more readers"},    {"readers", 2 * more.readers},
                                   {"instead_of", more.readers},      {"cache", ServedFromName(more.from)},
                                   {"pairs", more.more_rates.size()}, {"rate_ratio", nullptr},
                                   {"rate_ratio_low", nullptr},       {"rate_ratio_high", nullptr}};
  if (const auto ratio = RatioOf(more.more_rates, more.fewer_rates)) {
    result["rate_ratio"] = ratio->middle;
    result["rate_ratio_low"] = ratio->low;
    result["rate_ratio_high"] = ratio->high;
  }
  return result;
}

Result<void> Measure(Experiment& experiment) {
  const Arguments& arguments = experiment.arguments;
  auto store = arguments.open(arguments.path);
  if (!store) return Propagate(std::move(store));
  experiment.watch = StorageWatch::Of(arguments.path);
  StepProgress progress("measuring", arguments.epochs);
  progress.Begin("listing");
  auto order = FixedOrder(**store, arguments);
  if (!order) return Propagate(std::move(order));
  std::optional<PlanPipe> plan;
  if (arguments.plan) {
    auto found = PlanPipe::Find(arguments.path);
    if (!found) return Propagate(std::move(found));
    plan = std::move(*found);
  }
  for (unsigned epoch = 0; epoch < arguments.epochs; ++epoch) {
    MeasuredEpoch measured{.prepared = PreparedFor(arguments, epoch), .readers = experiment.settings.readers};
    if (epoch > 0) progress.Begin(fmt::format("epoch {}", epoch + 1));
    const auto listed = ListAgain(**store, experiment);
    if (!listed) return std::unexpected(listed.error());
    measured.list_seconds = *listed;
    if (arguments.order == "random") std::ranges::shuffle(*order, std::mt19937_64(arguments.seed + epoch));
    EpochSettings settings = experiment.settings;
    if (plan)
      settings.beside = [&](const std::stop_token& stop) { measured.planned_samples = plan->Write(*order, stop); };
    auto figures = RunEpoch(**store, *order, settings, experiment.watch);
    if (!figures) return Propagate(std::move(figures));
    measured.figures = std::move(*figures);
    measured.from = JudgeBytes(measured.figures.spent.fetched, measured.figures.bytes, experiment.watch.in_memory());
    experiment.epochs.push_back(std::move(measured));
  }
  return arguments.more_readers ? MeasureMoreReaders(experiment, **store, *order) : Result<void>();
}

nlohmann::ordered_json ToResult(const Experiment& experiment, size_t number) {
  const MeasuredEpoch& epoch = experiment.epochs[number];
  const EpochFigures& figures = epoch.figures;
  nlohmann::ordered_json result = {
      {"experiment", "epoch"},
      {"epoch", number + 1},
      {"prepared", PreparedName(epoch.prepared)},
      {"cache", ServedFromName(epoch.from)},
      {"order", experiment.arguments.order},
      {experiment.settings.processes ? "processes" : "threads", epoch.readers},
      {"list", experiment.arguments.list},
      {"list_seconds", epoch.list_seconds},
      {"samples", figures.samples},
      {"bytes", figures.bytes},
      {"failures", figures.failures},
      {"complete", figures.complete},
      {"seconds", figures.seconds},
      {"samples_per_second", figures.samples_per_second()},
      {"bytes_per_second", figures.bytes_per_second()},
      {"samples_per_second_of_tenths", figures.piece_rates},
      {"latency_p50_seconds", OrNull(figures.latency_at(50))},
      {"latency_p99_seconds", OrNull(figures.latency_at(99))},
      {"latency_p999_seconds", OrNull(figures.latency_at(99.9))},
      {"latency_max_seconds", figures.latency_seconds.empty() ? 0 : figures.latency_seconds.back()},
      {"open_seconds", figures.open_seconds},
      {"reader_cpu_seconds", figures.reader_cpu_seconds},
      {"run_queue_seconds", OrNull(figures.run_queue_seconds)},
  };
  AddSpent(figures.spent, result);
  result["planned_samples"] = nullptr;
  if (epoch.planned_samples) result["planned_samples"] = *epoch.planned_samples;
  return result;
}

std::string SecondsText(const std::optional<double>& seconds) {
  return seconds ? FormatValue(*seconds, Unit::kSeconds) : "";
}

Table ToTable(const Experiment& experiment) {
  Table table{.title = "Epochs",
              .header = {"epoch", "list", "files", "bytes", "seconds", "files/s", "rate", "p50", "p99", "p99.9",
                         "reader CPU s", "daemon CPU s", "from below"},
              .rows = {}};
  for (size_t i = 0; i < experiment.epochs.size(); ++i) {
    const MeasuredEpoch& epoch = experiment.epochs[i];
    const EpochFigures& figures = epoch.figures;
    table.rows.push_back(
        {fmt::format("{} {}{}", i + 1, LabelOf(epoch), figures.complete ? "" : ", cut"),
         FormatValue(epoch.list_seconds, Unit::kSeconds), FormatCount(figures.samples), FormatBytes(figures.bytes),
         fmt::format("{:.2f}", figures.seconds), FormatCount(std::llround(figures.samples_per_second())),
         FormatValue(figures.bytes_per_second(), Unit::kBytesPerSecond), SecondsText(figures.latency_at(50)),
         SecondsText(figures.latency_at(99)), SecondsText(figures.latency_at(99.9)),
         fmt::format("{:.2f}", figures.reader_cpu_seconds),
         figures.spent.daemon_cpu_seconds ? fmt::format("{:.2f}", *figures.spent.daemon_cpu_seconds) : "",
         FetchedText(figures.spent.fetched)});
  }
  return table;
}

Chart RateChart(const Experiment& experiment) {
  Chart chart{.kind = ChartKind::kBars,
              .title = "Files read in a second",
              .note = fmt::format("{} order, {} {}", experiment.arguments.order, experiment.settings.readers,
                                  experiment.settings.processes ? "processes" : "threads"),
              .y = {.label = "files/s", .unit = Unit::kPerSecond},
              .series = {{.name = "files/s"}}};
  for (size_t i = 0; i < experiment.epochs.size(); ++i) {
    chart.categories.push_back(fmt::format("epoch {}, {}", i + 1, LabelOf(experiment.epochs[i])));
    chart.series[0].values.push_back(experiment.epochs[i].figures.samples_per_second());
  }
  return chart;
}

Chart LatencyChart(const Experiment& experiment) {
  Chart chart{.kind = ChartKind::kLines,
              .title = "How long one file takes",
              .note = "share of files that were read within the time: open, fstat, read and close",
              .x = {.label = "time for one file", .scale = Scale::kLog10, .unit = Unit::kSeconds},
              .y = {.label = "share of files", .unit = Unit::kPercent}};
  for (size_t i = 0; i < experiment.epochs.size(); ++i) {
    const MeasuredEpoch& epoch = experiment.epochs[i];
    if (epoch.figures.latency_seconds.empty()) continue;
    Series series{.name = fmt::format("epoch {}, {}", i + 1, LabelOf(epoch))};
    for (const double percent : {0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0})
      series.points.emplace_back(Percentile(epoch.figures.latency_seconds, percent), percent / 100);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Report MakeReport(const Experiment& experiment) {
  const Arguments& arguments = experiment.arguments;
  Report report{.kind = "epoch",
                .subject = arguments.path,
                .command = CommandLine(),
                .machine = DescribeMachine(arguments.path),
                .settings = {{"order", arguments.order},
                             {"seed", arguments.seed},
                             {"readers", experiment.settings.readers},
                             {"reader_kind", experiment.settings.processes ? "processes" : "threads"},
                             {"batch", arguments.batch},
                             {"epochs", arguments.epochs},
                             {"limit_seconds", arguments.limit_seconds},
                             {"cold", arguments.cold},
                             {"list", arguments.list},
                             {"plan", arguments.plan}},
                .insights = EpochInsights(experiment.epochs, experiment.watch),
                .tables = {ToTable(experiment)},
                .charts = {RateChart(experiment), LatencyChart(experiment)}};
  AddWatch(experiment.watch, report.settings);
  if (experiment.more_readers) report.insights.push_back(MoreReadersInsight(*experiment.more_readers));
  for (size_t i = 0; i < experiment.epochs.size(); ++i) report.results.push_back(ToResult(experiment, i));
  if (experiment.more_readers) report.results.push_back(ToResult(*experiment.more_readers));
  return report;
}

int RunEpochCommand(Arguments arguments) {
  if (arguments.quick) arguments.limit_seconds = std::min(arguments.limit_seconds, kQuickLimitSeconds);
  if (arguments.cold)
    if (const auto why_not = WhyNotDropCaches())
      return Fail("bench epoch", MakeError(ErrorCode::kSystem, "{}", *why_not).error());
  if (auto checked = CheckOutputs(arguments.outputs); !checked) return Fail("bench epoch", checked.error());
  if (arguments.more_readers && std::max(arguments.threads, arguments.processes) > kMaxReaders / 2)
    return Fail(
        "bench epoch",
        Invalid("--more-readers: at most {} readers, since twice as many are measured", kMaxReaders / 2).error());
  const unsigned threads =
      arguments.threads > 0 ? arguments.threads : std::max(1U, std::thread::hardware_concurrency());
  Experiment experiment{.arguments = arguments,
                        .settings = {.readers = arguments.processes > 0 ? arguments.processes : threads,
                                     .processes = arguments.processes > 0,
                                     .batch = arguments.batch,
                                     .limit_seconds = arguments.limit_seconds,
                                     .interrupted = CatchInterrupts()}};
  if (auto measured = Measure(experiment); !measured) return Fail("bench epoch", measured.error());
  if (auto written = WriteReport(MakeReport(experiment), arguments.outputs); !written)
    return Fail("bench epoch", written.error());
  const bool failed =
      std::ranges::any_of(experiment.epochs, [](const auto& epoch) { return epoch.figures.failures > 0; });
  return failed ? kExitFailed : kExitOk;
}

}  // namespace

void AddEpochCommand(Command program, Body& run, StoreOpener open) {
  auto arguments = std::make_shared<Arguments>();
  arguments->open = open;
  Command epoch =
      program.AddSubcommand("epoch", "A loader's epochs: list, then open, fstat, read and close every file");
  epoch.Add("PATH", arguments->path, "Directory or mount; or a .quire file, read directly").Required();
  epoch.Add("--order", arguments->order, "random: shuffled anew for each epoch; page: as the files lie on disk")
      .OneOf({"random", "path", "page"})
      .ShowDefault();
  const Option threads =
      epoch.Add("--threads", arguments->threads, "Readers; default: one for each core").Range(1U, kMaxReaders);
  epoch.Add("--processes", arguments->processes, "Readers that are processes, as DataLoader's workers")
      .Range(1U, kMaxReaders)
      .Excludes(threads);
  epoch.Add("--batch", arguments->batch, "Files that a reader takes at a time").Range(1U, 1U << 20U).ShowDefault();
  epoch.Add("--epochs", arguments->epochs, "Epochs").Range(1U, 1000U).ShowDefault();
  epoch.Add("--seed", arguments->seed, "Of the random orders").ShowDefault();
  epoch.Add("--limit", arguments->limit_seconds, "Seconds of reading after which an epoch is cut; 0: none")
      .NotNegative()
      .ShowDefault();
  epoch.AddFlag("--cold", arguments->cold, "Drop the machine's caches and list anew before each epoch (root)");
  epoch.Add("--list", arguments->list, "How a loader finds the files: names alone, or the attributes of each too")
      .OneOf({"readdir", "stat"})
      .ShowDefault();
  epoch.AddFlag("--plan", arguments->plan, "Tell a mount of Quire the order of each epoch (.quire/plan)");
  epoch.AddFlag("--more-readers", arguments->more_readers,
                "Then one epoch more, which so many readers and twice as many read in turn: whether more help");
  epoch.AddFlag("--quick", arguments->quick, fmt::format("Cut epochs at {:.0f} seconds", kQuickLimitSeconds));
  AddOutputOptions(epoch, arguments->outputs);
  epoch.SetBody(run, [arguments] { return RunEpochCommand(*arguments); });
}

}  // namespace quire::bench
