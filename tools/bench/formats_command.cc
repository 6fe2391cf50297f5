// `quire bench formats`: the same samples as separate files and in the containers of the day, built and read.
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>

#include "format/directory_packer.h"
#include "tools/bench/archive_stores.h"
#include "tools/bench/experiment.h"
#include "tools/bench/formats_contest.h"
#include "tools/bench/formats_figures.h"
#include "tools/bench/formats_samples.h"
#include "tools/bench/formats_scratch.h"
#include "tools/bench/step_progress.h"
#include "tools/bench/system_counters.h"
#include "tools/interrupt.h"

namespace quire::bench {
namespace {

constexpr size_t kBuilds = 5;
constexpr size_t kMostContestants = 6;
// Six contestants, three repeats of two orders and a warm pass make 42 epochs: 84 s if all are cut, which leaves half a
// minute of two to building and emptying caches.
constexpr double kEpochLimitSeconds = 2;
constexpr uint64_t kSpaceFactor = 6;  // five copies of the samples, and their indexes

struct Arguments {
  std::string folder;
  std::string work;
  unsigned threads = 0;
  unsigned repeats = 3;
  // So that epochs end before their limit on a disk that gives 128 MiB/s, or 5,000 samples/s: in path order a cut epoch
  // knows the first part of the tree only.
  uint64_t limit_samples = 10'000;
  uint64_t limit_bytes = 256U << 20;
  uint64_t seed = 1;
  bool cold = false;
  bool quick = false;
  Outputs outputs;
};

std::string DefaultWork() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && folder[0] != '\0' ? folder : "/var/tmp";
}

class Experiment {
 public:
  explicit Experiment(const Arguments& arguments)
      : arguments_(arguments),
        progress_("measuring", 1 + kBuilds + ContestSteps(kMostContestants, arguments.repeats)) {}

  Result<Report> Run() {
    progress_.Begin("choosing samples");
    auto chosen = ChooseSamples(arguments_.folder, {arguments_.limit_samples, arguments_.limit_bytes});
    if (!chosen) return Propagate(std::move(chosen));
    figures_.found = chosen->found;
    auto scratch = ScratchFolder::Make(arguments_.work, kSpaceFactor * chosen->disk_bytes);
    if (!scratch) return Propagate(std::move(scratch));
    scratch_ = std::move(*scratch);
    if (auto built = BuildAll(chosen->list); !built) return Propagate(std::move(built));
    if (auto read = ReadAll(); !read) return Propagate(std::move(read));
    return MakeReport();
  }

 private:
  // Times `build`, which syncs what it writes. Nobody finds the samples in the page cache, or waits for somebody else's
  // bytes to be written: those are synced already.
  Result<void> Build(const char* format, const SampleList& samples, const std::function<Result<void>()>& build) {
    progress_.Begin(fmt::format("building {}", format));
    if (*interrupted_) return MakeError(ErrorCode::kInterrupted, "interrupted");
    EvictSamples(samples);
    const double start = NowSeconds();
    if (auto built = build(); !built) return built;
    figures_.builds.push_back({.format = format, .seconds = NowSeconds() - start});
    return {};
  }

  Result<void> BuildAll(const SampleList& chosen) {
    SampleCopy copy;
    const auto copy_files = [&]() -> Result<void> {
      auto copied = CopySamples(chosen, PathOf(kFiles), stop_);
      if (!copied) return Propagate(std::move(copied));
      copy = std::move(*copied);
      return {};
    };
    if (auto built = Build(kFiles, chosen, copy_files); !built) return built;
    figures_.builds.back().bytes = DiskUsage(PathOf(kFiles));
    figures_.samples = copy.list.paths.size();
    figures_.bytes = copy.bytes;
    figures_.left_out = copy.left_out;
    figures_.first_left_out = copy.first_left_out;

    struct Container {
      const char* format;
      std::function<Result<void>(const SampleList&, const std::string&, const Stop&)> build;
    };
    const auto pack = [this](const SampleList& samples, const std::string& out, const Stop&) {
      return Pack(samples.root, out);
    };
    const std::vector<Container> containers = {{kTar, BuildTar}, {kZip, BuildZip}, {kLmdb, BuildLmdb}, {kPack, pack}};
    for (const Container& container : containers) {
      const std::string out = PathOf(container.format);
      const auto build = [&] { return container.build(copy.list, out, stop_); };
      if (auto built = Build(container.format, copy.list, build); !built) return built;
      struct stat status{};
      if (stat(out.c_str(), &status) != 0) return SystemError(errno, "{}", out);
      figures_.builds.back().bytes = static_cast<uint64_t>(status.st_size);
    }
    return {};
  }

  Result<void> Pack(const std::string& source, const std::string& out) {
    PackProgress unused;
    const PackDirectoryOptions options{.source = source,
                                       .output = out,
                                       .order = {},
                                       .exclude = {},
                                       .on_unreadable = [](const std::string&, const std::string&) {},
                                       .progress = &unused,
                                       .interrupted = interrupted_};
    auto packed = PackDirectory(options);
    if (!packed) return Propagate(std::move(packed));
    return {};
  }

  Result<void> ReadAll() {
    auto mount = PackMount::Mount(PathOf(kPack), *scratch_);
    if (!mount) figures_.why_no_mount = mount.error().message;
    std::vector<Contestant> contestants;
    for (const char* format : {kFiles, kTar, kZip, kLmdb, kPack})
      if (auto added = Add(contestants, format, OpenStore(PathOf(format))); !added) return added;
    if (mount) {
      if (auto added = Add(contestants, kMount, OpenDirectoryStore((*mount)->path())); !added) return added;
      contestants.back().daemons = FindFuseDaemons((*mount)->path());
    }
    auto reads = RunContest(contestants, Settings(), progress_);
    if (!reads) return Propagate(std::move(reads));
    figures_.reads = std::move(*reads);
    return {};
  }

  static Result<void> Add(std::vector<Contestant>& contestants, const char* format,
                          Result<std::unique_ptr<SampleStore>> store) {
    if (!store) return Propagate(std::move(store));
    if (auto listed = (*store)->List(); !listed) return listed;
    contestants.push_back({.format = format, .store = std::move(*store)});
    return {};
  }

  [[nodiscard]] ContestSettings Settings() {
    figures_.threads = arguments_.threads;
    return {.epoch = {.readers = arguments_.threads, .limit_seconds = kEpochLimitSeconds, .interrupted = interrupted_},
            .repeats = arguments_.repeats,
            .seed = arguments_.seed,
            .cold = arguments_.cold};
  }

  [[nodiscard]] Report MakeReport() const {
    Report report;
    report.kind = "formats";
    report.subject = arguments_.folder;
    report.command = CommandLine();
    report.machine = DescribeMachine(scratch_->path());
    report.settings = {{"work", arguments_.work},
                       {"threads", arguments_.threads},
                       {"repeats", arguments_.repeats},
                       {"limit_samples", arguments_.limit_samples},
                       {"limit_bytes", arguments_.limit_bytes},
                       {"epoch_limit_seconds", kEpochLimitSeconds},
                       {"seed", arguments_.seed},
                       {"cold", arguments_.cold},
                       {"samples_found", figures_.found},
                       {"samples", figures_.samples},
                       {"sample_bytes", figures_.bytes}};
    AddFormatsFigures(figures_, report);
    return report;
  }

  // In the scratch folder. The ending tells OpenStore what it is.
  [[nodiscard]] std::string PathOf(const std::string& format) const {
    if (format == kFiles) return *scratch_ / "files";
    if (format == kPack) return *scratch_ / "samples.quire";
    return *scratch_ / ("samples." + format).c_str();
  }

  const Arguments& arguments_;
  const std::atomic<bool>* const interrupted_ = CatchInterrupts();
  const Stop stop_ = [this] { return interrupted_->load(); };
  std::unique_ptr<ScratchFolder> scratch_;
  FormatsFigures figures_;
  StepProgress progress_;
};

int RunFormats(Arguments arguments) {
  if (arguments.work.empty()) arguments.work = DefaultWork();
  if (arguments.threads == 0) arguments.threads = std::max(1U, std::thread::hardware_concurrency());
  if (arguments.quick) arguments.repeats = 1;
  if (arguments.cold)
    if (const auto why_not = WhyNotDropCaches())
      return Fail("bench formats", MakeError(ErrorCode::kSystem, "{}", *why_not).error());
  if (auto checked = CheckOutputs(arguments.outputs); !checked) return Fail("bench formats", checked.error());
  auto report = Experiment(arguments).Run();  // the scratch folder is gone when this line has ended
  if (!report) return Fail("bench formats", report.error());
  if (auto written = WriteReport(*report, arguments.outputs); !written) return Fail("bench formats", written.error());
  const bool failed =
      std::ranges::any_of(report->results, [](const auto& result) { return result.value("failures", 0) > 0; });
  return failed ? kExitFailed : kExitOk;
}

}  // namespace

void AddFormatsCommand(CLI::App& app, Body& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* formats = app.add_subcommand(
      "formats", "The same samples as separate files, tar, stored zip, LMDB and a pack: building, size, reading");
  formats->add_option("DIR", arguments->folder, "Directory whose files are the samples; it is only read")->required();
  formats
      ->add_option(
          "--work", arguments->work,
          "Folder in which a scratch folder is made, about six times as large as the samples taken, and removed "
          "again: the disk that is measured; default: $TMPDIR, else /var/tmp")
      ->type_name("FOLDER");
  formats->add_option("--limit-samples", arguments->limit_samples, "Take at most so many samples, evenly over the list")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000'000}))
      ->capture_default_str();
  formats->add_option("--limit-bytes", arguments->limit_bytes, "Take at most so many bytes: 1000000, 200MiB, 4GiB")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("256MiB");
  formats->add_option("--threads", arguments->threads, "Readers; default: one for each core")
      ->check(CLI::Range(1U, kMaxReaders));
  auto* repeats = formats->add_option("--repeats", arguments->repeats, "Epochs of each order over each format")
                      ->check(CLI::Range(1U, 1000U))
                      ->capture_default_str();
  formats->add_option("--seed", arguments->seed, "Of the random orders")->capture_default_str();
  formats->add_flag("--cold", arguments->cold, "Drop the machine's caches before each epoch (root)");
  formats->add_flag("--quick", arguments->quick, "One repeat")->excludes(repeats);
  AddOutputOptions(*formats, arguments->outputs);
  formats->callback([&run, arguments] { run = [arguments] { return RunFormats(*arguments); }; });
}

}  // namespace quire::bench
