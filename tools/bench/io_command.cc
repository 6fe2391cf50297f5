// `quire bench io`: how fast a storage reads, by block size, order, method, file size and threads.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <thread>

#include "format/worker_pool.h"
#include "tools/bench/experiment.h"
#include "tools/bench/io_insights.h"
#include "tools/bench/io_matrix.h"
#include "tools/bench/io_report.h"
#include "tools/bench/step_progress.h"
#include "tools/bench/system_counters.h"
#include "tools/interrupt.h"

namespace quire::bench {
namespace {

constexpr unsigned kRepeats = 3;
constexpr unsigned kQuickRepeats = 2;
constexpr unsigned kSeconds = 75;  // with the walk and a slow disk's overrun this still ends within two minutes
constexpr unsigned kQuickSeconds = 12;
constexpr uint64_t kQuickFiles = 100;  // of each size: opening more would take most of a slice of some 50 ms

struct Arguments {
  std::string path;
  unsigned threads = std::clamp(2 * std::thread::hardware_concurrency(), 4U, 16U);
  unsigned repeats = 0;  // 0: as --quick says, like `seconds`
  unsigned seconds = 0;
  uint64_t seed = 1;
  bool quick = false;
  bool cold = false;
  Outputs outputs;
};

// The methods that work on `file`, and a line for each that does not.
std::vector<IoMethod> ProbeMethods(const IoFile& file, std::vector<std::string>& left_out) {
  std::vector<IoMethod> methods;
  for (const IoMethod method : {IoMethod::kRead, IoMethod::kMmap, IoMethod::kDirect, IoMethod::kUring}) {
    if (const auto why_not = WhyNotMethod(method, file))
      left_out.push_back(fmt::format("{} is left out: {}.", MethodName(method), EscapeName(*why_not)));
    else
      methods.push_back(method);
  }
  return methods;
}

// How far the kernel reads ahead on the file system of `path`; 0 where it does not say.
uint64_t ReadAheadBytes(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return 0;
  const std::string device = fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
  uint64_t kib = 0;
  std::ifstream("/sys/class/bdi/" + device + "/read_ahead_kb") >> kib;
  // A partition has none of its own: the disk above it has.
  if (kib == 0) std::ifstream("/sys/dev/block/" + device + "/../bdi/read_ahead_kb") >> kib;
  return kib * 1024;
}

// What a reader of the figures has to know about them.
std::vector<std::string> Remarks(const Arguments& arguments, const IoFiles& files) {
  std::vector<std::string> remarks;
  if (!files.complete)
    remarks.push_back(
        fmt::format("Only the first {} files and directories were looked at.", FormatCount(files.entries_looked_at)));
  if (files.unreadable > 0)
    remarks.push_back(fmt::format("{} files or directories could not be opened and are left out; the first: {}.",
                                  FormatCount(files.unreadable), EscapeName(files.first_unreadable)));
  if (const uint64_t ahead_bytes = ReadAheadBytes(arguments.path); ahead_bytes > 0) {
    const uint64_t files_bytes = files.classes[RandomClass(files.classes)].bytes();
    remarks.push_back(
        fmt::format("The kernel reads ahead up to {} here, and as much at a fault of an uncached mapped page{}.",
                    FormatBytes(ahead_bytes),
                    // A hundred faults would read all of them.
                    files_bytes / 100 < ahead_bytes
                        ? fmt::format(": random reads by mmap soon find much of the {} measured here in the cache",
                                      FormatBytes(files_bytes))
                        : ""));
  }
  return remarks;
}

nlohmann::ordered_json Settings(const Arguments& arguments, const IoFiles& files) {
  return {
      {"threads", arguments.threads},
      {"repeats", arguments.repeats},
      {"seconds", arguments.seconds},
      {"seed", arguments.seed},
      {"caches", arguments.cold ? "dropped before each experiment (drop_caches), files evicted before each measurement"
                                : "files evicted before each uncached measurement (posix_fadvise)"},
      {"entries_looked_at", files.entries_looked_at},
      {"read_ahead_bytes", ReadAheadBytes(arguments.path)},
      {"io_uring_requests_in_flight", kRingDepth}};
}

// Dirty pages cannot be evicted: a data set that was unpacked a moment ago would be measured in memory. Waits for what
// would be written soon anyhow, and changes nothing.
void WriteBackDirtyPages(const IoFile& file) {
  if (const auto opened = File::Open(file.path, O_RDONLY)) (void)syncfs(opened->fd());
}

Result<Report> Measure(const Arguments& arguments, const std::atomic<bool>* interrupted) {
  IoLimits limits;
  if (arguments.quick) limits.files_per_class = kQuickFiles;
  const auto files = FindIoFiles(arguments.path, arguments.seed, limits);
  if (!files) return std::unexpected(files.error());
  const std::vector<FileClass>& classes = files->classes;
  const IoFile& probe = classes[RandomClass(classes)].files.front();
  Report report{.kind = "io",
                .subject = arguments.path,
                .command = CommandLine(),
                .machine = DescribeMachine(arguments.path),
                .tables = {FileClassTable(classes)}};
  std::vector<std::string> remarks = Remarks(arguments, *files);
  const std::vector<IoPoint> points = MakeMatrix(classes, ProbeMethods(probe, remarks), arguments.threads);
  report.settings = Settings(arguments, *files);
  const StorageWatch watch = StorageWatch::Of(arguments.path);
  AddWatch(watch, report.settings);
  WriteBackDirtyPages(probe);
  StepProgress progress("measuring", points.size() * arguments.repeats);
  const IoSettings settings = {.repeats = arguments.repeats,
                               .seconds = static_cast<double>(arguments.seconds),
                               .cold = arguments.cold,
                               .seed = arguments.seed,
                               .watch = watch,
                               .interrupted = interrupted};
  const auto results =
      MeasureMatrix(classes, points, settings, [&](std::string step) { progress.Begin(std::move(step)); });
  if (!results) return std::unexpected(results.error());
  report.results = IoResultObjects(*results);
  report.insights = IoInsights(*results, watch);
  std::ranges::move(remarks, std::back_inserter(report.insights));
  std::ranges::move(IoTables(*results), std::back_inserter(report.tables));
  report.charts = IoCharts(*results);
  return report;
}

int RunIo(Arguments arguments) {
  if (arguments.repeats == 0) arguments.repeats = arguments.quick ? kQuickRepeats : kRepeats;
  if (arguments.seconds == 0) arguments.seconds = arguments.quick ? kQuickSeconds : kSeconds;
  if (arguments.cold)
    if (const auto why_not = WhyNotDropCaches())
      return Fail("bench io", MakeError(ErrorCode::kUnreadable, "{}", *why_not).error());
  if (const auto checked = CheckOutputs(arguments.outputs); !checked) return Fail("bench io", checked.error());
  const auto report = Measure(arguments, CatchInterrupts());
  if (!report) return Fail("bench io", report.error());
  if (const auto written = WriteReport(*report, arguments.outputs); !written) return Fail("bench io", written.error());
  return kExitOk;
}

}  // namespace

void AddIoCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* io = app.add_subcommand("io", "How fast a storage reads: block sizes, order, methods, file sizes, threads");
  io->add_option("PATH", arguments->path, "Directory, mount, pack or other file; it is only read")->required();
  io->add_option("--threads", arguments->threads, "Most threads")
      ->check(CLI::Range(1U, kMaxJobs))
      ->capture_default_str()
      ->type_name("N");
  io->add_option("--repeats", arguments->repeats,
                 fmt::format("Measurements of each point; default {}, with --quick {}", kRepeats, kQuickRepeats))
      ->check(CLI::Range(1U, 100U))
      ->type_name("N");
  io->add_option("--seconds", arguments->seconds,
                 fmt::format("Time for all of it; default {}, with --quick {}", kSeconds, kQuickSeconds))
      ->check(CLI::Range(1U, 86'400U))
      ->type_name("N");
  io->add_option("--seed", arguments->seed, "Of the choice of files and offsets")
      ->capture_default_str()
      ->type_name("N");
  io->add_flag("--quick", arguments->quick, "Fewer repeats of fewer files in less time");
  io->add_flag("--cold", arguments->cold, "Drop the machine's caches before each experiment (root)");
  AddOutputOptions(*io, arguments->outputs);
  io->callback([&run, arguments] { run = [arguments] { return RunIo(*arguments); }; });
}

}  // namespace quire::bench
