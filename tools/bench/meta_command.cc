// SPDX-License-Identifier: Apache-2.0
// `quire bench meta`: what names and attributes cost, without reading any file.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>

#include "format/file.h"
#include "tools/bench/experiment.h"
#include "tools/bench/step_progress.h"
#include "tools/bench/system_counters.h"
#include "tools/interrupt.h"

namespace quire::bench {
namespace {

constexpr uint64_t kQuickLookups = 10'000;
// What was done before a measurement.
constexpr std::string_view kDropped = "caches dropped";
constexpr std::string_view kFound = "nothing";
constexpr std::string_view kAgain = "the same before";
enum : size_t { kWalk, kStat, kLookup, kMissing };

struct Arguments {
  std::string path;
  uint64_t lookups = 100'000;
  uint64_t seed = 1;
  bool cold = false;
  bool quick = false;
  Outputs outputs;
};

enum class WithStat : bool { kNo, kYes };

// A walk that readdir drives, as find(1) and os.walk do: a directory's entries are visited in the order that it gives.
class Walk {
 public:
  // `visit` is told of each path below `root`; empty: nobody is.
  Walk(const File& root, WithStat with_stat, std::function<void(const std::string&)> visit)
      : root_(root), with_stat_(with_stat), visit_(std::move(visit)) {}

  // Returns the number of entries below the root.
  Result<uint64_t> Run() {
    folders_ = {"."};
    entries_ = 0;
    while (!folders_.empty()) {
      if (*interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
      const std::string folder = std::move(folders_.back());
      folders_.pop_back();
      if (auto walked = WalkFolder(folder); !walked) return Propagate(std::move(walked));
    }
    return entries_;
  }

 private:
  Result<void> WalkFolder(const std::string& folder) {
    const int fd = openat(root_.fd(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fd < 0 ? nullptr : fdopendir(fd), closedir);
    if (stream == nullptr) return SystemError(errno, "{}", folder);
    const std::string prefix = folder == "." ? "" : folder + "/";
    while (true) {
      errno = 0;
      const dirent* const entry = readdir(stream.get());
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      ++entries_;
      unsigned char type = entry->d_type;
      struct stat status{};
      if (with_stat_ == WithStat::kYes || type == DT_UNKNOWN) {
        if (fstatat(dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
          return SystemError(errno, "{}{}", prefix, name);
        type = IFTODT(status.st_mode);
      }
      if (type == DT_DIR) folders_.push_back(prefix + name);
      if (visit_) visit_(prefix + name);
    }
    if (errno != 0) return SystemError(errno, "{}", folder);
    return {};
  }

  const std::atomic<bool>* const interrupted_ = CatchInterrupts();
  const File& root_;
  const WithStat with_stat_;
  const std::function<void(const std::string&)> visit_;
  std::vector<std::string> folders_;
  uint64_t entries_ = 0;
};

// lstat of each of `paths`, which is to fail with `wanted` (0: to succeed).
Result<uint64_t> Lookup(const File& root, const std::vector<std::string>& paths, int wanted) {
  const std::atomic<bool>& interrupted = *CatchInterrupts();
  for (const std::string& path : paths) {
    if (interrupted) return MakeError(ErrorCode::kInterrupted, "interrupted");
    struct stat status{};
    const int error = fstatat(root.fd(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    if (error == wanted) continue;
    if (error != 0) return SystemError(error, "{}", path);
    return MakeError(ErrorCode::kUnreadable, "{}: exists, though its name was made up", path);
  }
  return paths.size();
}

struct Operation {
  const char* name;
  const char* what;  // for the chart's reader
  std::function<Result<uint64_t>()> run;
};

struct Measurement {
  std::string operation;
  std::string prepared;  // what was done before
  ServedFrom from = ServedFrom::kUnknown;
  uint64_t entries = 0;
  double seconds = 0;
  Spent spent = {};

  [[nodiscard]] double entries_per_second() const { return static_cast<double>(entries) / seconds; }
};

struct Experiment {
  Arguments arguments;
  StorageWatch watch = {};
  std::vector<Measurement> measurements = {};  // of each operation two: the first, and the second

  [[nodiscard]] const Measurement& First(size_t operation) const { return measurements[2 * operation]; }
  [[nodiscard]] const Measurement& Second(size_t operation) const { return measurements[2 * operation + 1]; }
};

Result<void> MeasureOne(Experiment& experiment, const Operation& operation, std::string_view prepared) {
  const StorageWatch::Mark before = experiment.watch.Now();
  const double start = NowSeconds();
  const auto entries = operation.run();
  const double seconds = NowSeconds() - start;
  if (!entries) return std::unexpected(entries.error());
  const Spent spent = experiment.watch.Since(before);
  experiment.measurements.push_back({.operation = operation.name,
                                     .prepared = std::string(prepared),
                                     .from = JudgeNames(spent.fetched, experiment.watch.in_memory()),
                                     .entries = *entries,
                                     .seconds = seconds,
                                     .spent = spent});
  return {};
}

Result<void> Measure(Experiment& experiment) {
  const Arguments& arguments = experiment.arguments;
  auto root = File::Open(arguments.path, O_RDONLY | O_DIRECTORY);
  if (!root) return Propagate(std::move(root));
  experiment.watch = StorageWatch::Of(arguments.path, StorageWatch::Asked::kNames);
  std::vector<std::string> paths;
  std::vector<std::string> missing;
  const std::vector<Operation> operations = {
      {"walk", "read every directory", [&] { return Walk(*root, WithStat::kNo, nullptr).Run(); }},
      {"walk and stat", "and lstat every entry, as 'ls -lR'",
       [&] { return Walk(*root, WithStat::kYes, nullptr).Run(); }},
      {"lookup", "lstat of random paths", [&] { return Lookup(*root, paths, 0); }},
      {"lookup missing", "lstat of names that are not there", [&] { return Lookup(*root, missing, ENOENT); }},
  };
  StepProgress progress("measuring", operations.size() * 2);
  const auto step = [&](const Operation& operation, std::string_view prepared) -> Result<void> {
    progress.Begin(fmt::format("{}, {}", operation.name, prepared));
    if (prepared == kDropped)
      if (auto dropped = DropCaches(experiment.watch.daemons()); !dropped) return dropped;
    return MeasureOne(experiment, operation, prepared);
  };
  // The walks come first: without --cold they find the caches as they are. Only then are the paths for the lookups
  // drawn.
  for (size_t i = 0; i < operations.size(); ++i) {
    if (i == 2) {
      if (auto walked = Walk(*root, WithStat::kNo, [&](const auto& path) { paths.push_back(path); }).Run(); !walked)
        return Propagate(std::move(walked));
      if (paths.empty()) return MakeError(ErrorCode::kNotFound, "{}: is empty", arguments.path);
      std::ranges::shuffle(paths, std::mt19937_64(arguments.seed));
      paths.resize(std::min<size_t>(paths.size(), arguments.quick ? kQuickLookups : arguments.lookups));
      for (const std::string& path : paths) missing.push_back(path + ".quire-bench-missing");
    }
    if (auto done = step(operations[i], arguments.cold ? kDropped : kFound); !done) return done;
    if (auto done = step(operations[i], kAgain); !done) return done;
  }
  return {};
}

std::vector<std::string> Insights(const Experiment& experiment) {
  const Measurement& walk = experiment.First(kWalk);
  const Measurement& stat = experiment.First(kStat);
  const Measurement& stat_again = experiment.Second(kStat);
  const Measurement& lookup = experiment.Second(kLookup);
  const Measurement& missing = experiment.Second(kMissing);
  const auto seconds = [](double value) { return FormatValue(value, Unit::kSeconds); };
  const auto label = [](const Measurement& m) { return ServedFromName(m.from); };
  std::vector<std::string> insights = {
      fmt::format("Listing {} entries took {} ({}), {} ({}) with the attributes of each: {} an entry.",
                  FormatCount(walk.entries), seconds(walk.seconds), label(walk), seconds(stat.seconds), label(stat),
                  seconds(stat.seconds / static_cast<double>(stat.entries))),
      fmt::format("Again, listing with attributes took {} ({}).", seconds(stat_again.seconds), label(stat_again)),
      fmt::format("A repeated lookup takes {} ({}), one of a name that is not there {} ({}).",
                  seconds(1 / lookup.entries_per_second()), label(lookup), seconds(1 / missing.entries_per_second()),
                  label(missing)),
  };
  const StorageWatch& watch = experiment.watch;
  if (std::ranges::any_of(experiment.measurements, [](const auto& m) { return m.from == ServedFrom::kUnknown; }))
    insights.push_back(fmt::format("What came from below is not known: {}.", watch.why_no_bytes()));
  if (watch.behind_daemon() && std::ranges::any_of(experiment.measurements, [](const auto& m) {
        return m.prepared == kDropped && m.from != ServedFrom::kBelow;
      }))
    insights.emplace_back(
        "--cold dropped the kernel's caches: the daemon behind the mount may have answered from its own memory, which "
        "that does not touch. Mount anew to see what it costs to begin with.");
  if (!watch.why_no_cpu().empty())
    insights.push_back(fmt::format("What the daemon behind the mount computed is not known: {}.", watch.why_no_cpu()));
  return insights;
}

nlohmann::ordered_json ToResult(const Measurement& measurement) {
  nlohmann::ordered_json result = {
      {"experiment", "meta"},
      {"operation", measurement.operation},
      {"prepared", measurement.prepared},
      {"cache", ServedFromName(measurement.from)},
      {"entries", measurement.entries},
      {"seconds", measurement.seconds},
      {"entries_per_second", measurement.entries_per_second()},
  };
  AddSpent(measurement.spent, result);
  return result;
}

Table ToTable(const Experiment& experiment) {
  Table table{.title = "Names and attributes",
              .header = {"operation", "before", "label", "entries", "time", "entries/s", "from below"},
              .rows = {}};
  for (const Measurement& m : experiment.measurements)
    table.rows.push_back({m.operation, m.prepared, ServedFromName(m.from), FormatCount(m.entries),
                          FormatValue(m.seconds, Unit::kSeconds),
                          FormatCount(static_cast<uint64_t>(m.entries_per_second())), FetchedText(m.spent.fetched)});
  return table;
}

Chart ToChart(const Experiment& experiment) {
  Chart chart{.kind = ChartKind::kBars,
              .title = "Entries in a second",
              .note = "one thread; higher is better",
              .y = {.label = "entries/s", .unit = Unit::kPerSecond},
              .series = {{.name = fmt::format("before: {}", experiment.arguments.cold ? kDropped : kFound)},
                         {.name = fmt::format("before: {}", kAgain)}}};
  for (const Measurement& m : experiment.measurements) {
    const bool again = m.prepared == kAgain;
    if (!again) chart.categories.push_back(m.operation);
    chart.series[again ? 1 : 0].values.push_back(m.entries_per_second());
  }
  return chart;
}

Report MakeReport(const Experiment& experiment) {
  const Arguments& arguments = experiment.arguments;
  Report report{.kind = "meta",
                .subject = arguments.path,
                .command = CommandLine(),
                .machine = DescribeMachine(arguments.path),
                .settings = {{"cold", arguments.cold}, {"seed", arguments.seed}},
                .insights = Insights(experiment),
                .tables = {ToTable(experiment)},
                .charts = {ToChart(experiment)}};
  AddWatch(experiment.watch, report.settings);
  for (const Measurement& measurement : experiment.measurements) report.results.push_back(ToResult(measurement));
  return report;
}

int RunMetaCommand(const Arguments& arguments) {
  if (arguments.cold)
    if (const auto why_not = WhyNotDropCaches())
      return Fail("bench meta", MakeError(ErrorCode::kSystem, "{}", *why_not).error());
  if (auto checked = CheckOutputs(arguments.outputs); !checked) return Fail("bench meta", checked.error());
  Experiment experiment{.arguments = arguments};
  if (auto measured = Measure(experiment); !measured) return Fail("bench meta", measured.error());
  if (auto written = WriteReport(MakeReport(experiment), arguments.outputs); !written)
    return Fail("bench meta", written.error());
  return kExitOk;
}

}  // namespace

void AddMetaCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command meta =
      program.AddSubcommand("meta", "Names and attributes: walk, stat of every entry, lookups, missing names");
  meta.Add("DIR", arguments->path, "Directory or mount").Required();
  meta.Add("--lookups", arguments->lookups, "Random paths to look up, at most").Positive().ShowDefault();
  meta.Add("--seed", arguments->seed, "Of the random paths").ShowDefault();
  meta.AddFlag("--cold", arguments->cold, "Drop the machine's caches before each first measurement (root)");
  meta.AddFlag("--quick", arguments->quick, fmt::format("Look up {} paths", kQuickLookups));
  AddOutputOptions(meta, arguments->outputs);
  meta.SetBody(run, [arguments] { return RunMetaCommand(*arguments); });
}

}  // namespace quire::bench
