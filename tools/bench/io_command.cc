// SPDX-License-Identifier: Apache-2.0
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

constexpr unsigned kRounds = kLeastRounds;  // fewer conclude nothing
constexpr unsigned kSeconds = 75;  // with the walk and a slow disk's overrun this still ends within two minutes
constexpr unsigned kQuickSeconds = 12;
constexpr uint64_t kQuickFiles = 100;           // of each size: opening more would take most of a slice of some 30 ms
constexpr uint64_t kScratchBytes = 1ULL << 30;  // as much as is read of what is there: io_files.h
constexpr uint64_t kQuickScratchBytes = 256ULL << 20;  // written in a second or two

struct Arguments {
  std::string path;
  unsigned threads = std::clamp(2 * std::thread::hardware_concurrency(), 4U, 16U);
  std::string work;  // where a scratch file may be made; empty: nowhere
  unsigned repeats = kRounds;
  unsigned seconds = 0;  // 0: as --quick says
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
    remarks.push_back(
        fmt::format("The kernel reads ahead up to {} here: sequential reads and whole files profit by every method but "
                    "O_DIRECT, and "
                    "random reads by mmap find around each page that was fetched what they did not ask for.",
                    FormatBytes(ahead_bytes)));
  }
  if (!RandomClass(files.classes)) {
    uint64_t large_bytes = 0;
    for (const FileClass& file_class : files.classes)
      if (file_class.median_bytes() >= (1U << 20U)) large_bytes += file_class.bytes();
    remarks.push_back(fmt::format(
        "Random reads and methods were not measured: files of 1 MiB and more have {} here, and {} are needed so that "
        "nothing is read twice. Name a folder of the same storage by --work, and a file is made there and removed.",
        FormatBytes(large_bytes), FormatBytes(kLeastRandomBytes)));
  }
  return remarks;
}

nlohmann::ordered_json Settings(const Arguments& arguments, const IoFiles& files) {
  return {{"threads", arguments.threads},
          {"repeats", arguments.repeats},
          {"work", arguments.work},
          {"seconds", arguments.seconds},
          {"seed", arguments.seed},
          {"caches",
           arguments.cold
               ? "dropped before each round and before whole files (drop_caches), files evicted before each measurement"
               : "files evicted before each measurement of what was not read before (posix_fadvise)"},
          {"entries_looked_at", files.entries_looked_at},
          {"read_ahead_bytes", ReadAheadBytes(arguments.path)},
          {"most_requests_at_a_time", kMostDepth}};
}

// Dirty pages cannot be evicted: a data set that was unpacked a moment ago would be measured in memory. Waits for what
// would be written soon anyhow, and changes nothing.
void WriteBackDirtyPages(const IoFile& file) {
  if (const auto opened = File::Open(file.path, O_RDONLY)) (void)syncfs(opened->fd());
}

Result<Report> Measure(const Arguments& arguments, const std::atomic<bool>* interrupted) {
  IoLimits limits;
  if (arguments.quick) limits.files_per_class = kQuickFiles;
  auto files = FindIoFiles(arguments.path, arguments.seed, limits);
  if (!files) return std::unexpected(files.error());
  std::optional<ScratchFile> scratch;
  if (!arguments.work.empty() && !RandomClass(files->classes)) {
    auto made = ScratchFile::Make(arguments.work, arguments.path, arguments.quick ? kQuickScratchBytes : kScratchBytes);
    if (!made) return Propagate(std::move(made));
    scratch.emplace(std::move(*made));
    files->classes.push_back({.name = "a scratch file", .files = {scratch->file()}});
  }
  const std::vector<FileClass>& classes = files->classes;
  const IoFile& probe = classes[RandomClass(classes).value_or(classes.size() - 1)].files.front();
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
  const IoSettings settings = {.rounds = arguments.repeats,
                               .seconds = static_cast<double>(arguments.seconds),
                               .cold = arguments.cold,
                               .seed = arguments.seed,
                               .watch = watch,
                               .interrupted = interrupted};
  const auto results =
      MeasureMatrix(classes, points, settings, [&](std::string step) { progress.Begin(std::move(step)); });
  if (!results) return std::unexpected(results.error());
  report.results = IoResultObjects(*results);
  report.insights = IoInsights(*results, settings);
  std::ranges::move(remarks, std::back_inserter(report.insights));
  std::ranges::move(IoTables(*results), std::back_inserter(report.tables));
  report.charts = IoCharts(*results);
  return report;
}

int RunIo(Arguments arguments) {
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

void AddIoCommand(Command program, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  Command io =
      program.AddSubcommand("io", "How fast a storage reads: block sizes, order, methods, file sizes, threads");
  io.Add("PATH", arguments->path, "Directory, mount, pack or other file; it is only read").Required();
  io.Add("--threads", arguments->threads, "Most threads").Range(1U, kMaxJobs).ShowDefault().Type("N");
  io.Add("--repeats", arguments->repeats,
         "Measurements of each point; more where time is left. Comparisons need so many as is the default")
      .Range(1U, 100U)
      .ShowDefault()
      .Type("N");
  io.Add("--seconds", arguments->seconds,
         fmt::format("Time for all of it; default {}, with --quick {}", kSeconds, kQuickSeconds))
      .Range(1U, 86'400U)
      .Type("N");
  io.Add("--work", arguments->work,
         "Folder on the same storage in which a scratch file is made, and removed, where the data is too small")
      .Type("FOLDER");
  io.Add("--seed", arguments->seed, "Of the choice of files and offsets").ShowDefault().Type("N");
  io.AddFlag("--quick", arguments->quick, "Fewer files in less time");
  io.AddFlag("--cold", arguments->cold, "Drop the machine's caches before each round, and before whole files (root)");
  AddOutputOptions(io, arguments->outputs);
  io.SetBody(run, [arguments] { return RunIo(*arguments); });
}

}  // namespace quire::bench
