// SPDX-License-Identifier: Apache-2.0
// `quire bench train`: how many accelerators a storage feeds.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "fs/options/byte_size.h"
#include "tools/bench/shell_command.h"
#include "tools/bench/step_progress.h"
#include "tools/bench/system_counters.h"
#include "tools/bench/train/accelerator_search.h"
#include "tools/bench/train/train_report.h"
#include "tools/interrupt.h"

namespace quire::bench {
namespace {

// With --quick: seconds, to see whether all of it works.
constexpr unsigned kQuickEpochs = 2;
constexpr uint64_t kQuickSteps = 20;
constexpr uint64_t kTrialFraction = 5;  // of the steps of an epoch, those of a trial

struct Arguments {
  std::string path;
  std::string versus;
  std::string workload = "resnet50";
  std::string record;
  unsigned batch = 0;
  double step_ms = 0;
  double decode_us = 0;
  unsigned accelerators = 0;
  unsigned most_accelerators = 128;  // of 8 workers: kMaxWorkers
  bool keep_caches = false;
  bool quick = false;
  JobSettings job = {};
  Outputs outputs;
};

// A folder that is measured, and how far that has come.
struct Subject {
  TrainJob job;
  TrainedJob trained;
  AcceleratorSearch search;
};

Result<Subject> OpenSubject(const std::string& path, const Arguments& arguments, unsigned cores) {
  auto job = TrainJob::Open(path, arguments.job);
  if (!job) return Propagate(std::move(job));
  TrainedJob trained{.path = path,
                     .sample_bytes = job->mean_sample_bytes(),
                     .is_large_enough = job->is_large_enough(),
                     .in_memory = job->watch().in_memory(),
                     .behind_daemon = job->watch().behind_daemon(),
                     .slices = job->slices(),
                     .cores = cores};
  const unsigned most = std::min(arguments.most_accelerators, kMaxWorkers / arguments.job.workers);
  return Subject{std::move(*job), std::move(trained), AcceleratorSearch(std::max(1U, most))};
}

std::string RunText(unsigned accelerators, bool is_whole) {
  return fmt::format("{} of {} accelerator{}", is_whole ? "a run" : "a trial", accelerators,
                     accelerators == 1 ? "" : "s");
}

// The next run that the search of `subject` asks for; false at its end.
Result<bool> SearchOn(Subject& subject, const JobSettings& settings, StepProgress& progress) {
  const auto question = subject.search.Next();
  if (!question) {
    subject.trained.found =
        FoundAccelerators{.accelerators = subject.search.found(), .may_be_more = subject.search.may_be_more()};
    return false;
  }
  progress.Begin(RunText(question->accelerators, question->is_whole));
  auto runs = PlayRuns({&subject.job, 1}, settings, question->accelerators, question->is_whole);
  if (!runs) return Propagate(std::move(runs));
  subject.search.Answer(runs->front().has_passed());
  subject.trained.runs.push_back(std::move(runs->front()));
  return true;
}

Result<void> SearchAll(std::vector<Subject>& subjects, const JobSettings& settings) {
  StepProgress progress("training", 0);
  for (bool is_going_on = true; is_going_on;) {
    is_going_on = false;
    for (Subject& subject : subjects) {
      const auto went_on = SearchOn(subject, settings, progress);
      if (!went_on) return std::unexpected(went_on.error());
      is_going_on |= *went_on;
    }
  }
  return {};
}

Result<void> MeasureFixed(std::vector<Subject>& subjects, const Arguments& arguments) {
  StepProgress progress("training", 1);
  progress.Begin(RunText(arguments.accelerators, true));
  std::vector<TrainJob> jobs;
  jobs.reserve(subjects.size());
  for (Subject& subject : subjects) jobs.push_back(std::move(subject.job));
  auto runs = PlayRuns(jobs, arguments.job, arguments.accelerators, true);
  if (!runs) return Propagate(std::move(runs));
  for (size_t i = 0; i < subjects.size(); ++i) {
    subjects[i].job = std::move(jobs[i]);
    subjects[i].trained.runs.push_back(std::move((*runs)[i]));
  }
  return {};
}

Report MakeReport(const Arguments& arguments, const Machine& machine, const std::vector<Subject>& subjects) {
  std::vector<TrainedJob> jobs;
  jobs.reserve(subjects.size());
  for (const Subject& subject : subjects) jobs.push_back(subject.trained);
  const JobSettings& job = arguments.job;
  const DataSize& data = subjects.front().job.data();
  Report report{
      .kind = "train",
      .subject = arguments.path,
      .command = CommandLine(),
      .machine = machine,
      .settings = {{"workload", job.workload.name},
                   {"batch", job.workload.batch},
                   {"step_seconds", job.workload.step_seconds},
                   {"workers", job.workers},
                   {"prefetch", job.prefetch},
                   {"decode_seconds", job.decode_seconds},
                   {"epochs", job.epochs},
                   {"steps", job.steps},
                   {"trial_steps", job.trial_steps},
                   {"seed", job.seed},
                   {"record_bytes", job.record_bytes},
                   {"caches_dropped", job.drops_caches},
                   {"remount", job.remount.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(job.remount)},
                   {"trial_slices", subjects.front().job.slices()},
                   {"data_files", data.files},
                   {"data_bytes", data.bytes},
                   {"memory_bytes", subjects.front().job.memory().bytes},
                   {"memory_limited_by", subjects.front().job.memory().source}},
      .results = TrainResults(jobs, job),
      .insights = TrainInsights(jobs, job),
      .tables = TrainTables(jobs, job),
      .charts = TrainCharts(jobs, job)};
  AddWatch(subjects.front().job.watch(), report.settings);
  return report;
}

Result<void> FillWorkload(Arguments& arguments) {
  Workload& workload = arguments.job.workload;
  workload = *FindWorkload(arguments.workload);
  if (arguments.batch > 0) workload.batch = arguments.batch;
  if (arguments.step_ms > 0) workload.step_seconds = arguments.step_ms / 1000;
  if (arguments.batch > 0 || arguments.step_ms > 0) {
    workload.name = "own times";
    workload.sample_bytes = 0;
  }
  if (workload.step_seconds > kMaxStepSeconds)
    return Invalid("--step-ms {}: at most {:.0f}", arguments.step_ms, 1000 * kMaxStepSeconds);
  arguments.job.decode_seconds = arguments.decode_us / 1e6;
  return {};
}

Result<void> Fill(Arguments& arguments) {
  JobSettings& job = arguments.job;
  if (auto filled = FillWorkload(arguments); !filled) return filled;
  if (!arguments.record.empty()) {
    const auto bytes = ParseByteSize(arguments.record);
    if (!bytes || *bytes == 0) return Invalid("--record {}: is no size, such as 115K", arguments.record);
    if (!std::filesystem::is_directory(arguments.path))
      return Invalid("--record reads the files of a directory, which {} is not", arguments.path);
    job.record_bytes = *bytes;
  }
  if (arguments.accelerators * uint64_t{job.workers} > kMaxWorkers)
    return Invalid("--accelerators {} and --workers {}: at most {} workers in all", arguments.accelerators, job.workers,
                   kMaxWorkers);
  if (arguments.quick) {
    job.epochs = std::min(job.epochs, kQuickEpochs);
    job.steps = std::min(job.steps, kQuickSteps);
    job.ceiling_seconds = 0.3;
  }
  job.trial_steps = std::max<uint64_t>(job.steps / kTrialFraction, 1);
  job.drops_caches = !arguments.keep_caches && !WhyNotDropCaches().has_value();
  job.interrupted = CatchInterrupts();
  return {};
}

Result<std::vector<Subject>> Measure(const Arguments& arguments, unsigned cores) {
  if (const std::string& remount = arguments.job.remount; !remount.empty())
    if (auto ran = RunShellCommand(remount); !ran) return Propagate(std::move(ran));
  std::vector<Subject> subjects;
  for (const std::string& path : {arguments.path, arguments.versus}) {
    if (path.empty()) continue;
    auto subject = OpenSubject(path, arguments, cores);
    if (!subject) return Propagate(std::move(subject));
    subjects.push_back(std::move(*subject));
  }
  const auto measured =
      arguments.accelerators > 0 ? MeasureFixed(subjects, arguments) : SearchAll(subjects, arguments.job);
  if (!measured) return std::unexpected(measured.error());
  return subjects;
}

int RunTrainCommand(Arguments arguments) {
  if (auto filled = Fill(arguments); !filled) return Fail("bench train", filled.error());
  if (auto checked = CheckOutputs(arguments.outputs); !checked) return Fail("bench train", checked.error());
  const Machine machine = DescribeMachine(arguments.path);
  const auto subjects = Measure(arguments, std::max(1U, machine.cores));
  if (!subjects) return Fail("bench train", subjects.error());
  if (auto written = WriteReport(MakeReport(arguments, machine, *subjects), arguments.outputs); !written)
    return Fail("bench train", written.error());
  const auto has_failures = [](const PlayedRun& run) { return run.Sum().failures > 0; };
  const bool failed = std::ranges::any_of(
      *subjects, [&](const Subject& subject) { return std::ranges::any_of(subject.trained.runs, has_failures); });
  return failed ? kExitFailed : kExitOk;
}

void AddOptions(Command train, Arguments& arguments) {
  JobSettings& job = arguments.job;
  train.Add("PATH", arguments.path, "Directory or mount; or a .quire file, read directly").Required();
  train.Add("--workload", arguments.workload, "Whose batches and times: of one accelerator")
      .OneOf(WorkloadNames())
      .ShowDefault();
  train.Add("--batch", arguments.batch, "Samples of a step, in place of the workload's").Range(1U, 1U << 20U);
  train.Add("--step-ms", arguments.step_ms, "Milliseconds that a step computes, in place of the workload's")
      .NotNegative();
  train.Add("--accelerators", arguments.accelerators, "So many, in place of finding out how many the storage feeds")
      .Range(1U, kMaxWorkers);
  train.Add("--most-accelerators", arguments.most_accelerators, "Look for no more")
      .Range(1U, kMaxWorkers)
      .ShowDefault();
  train.Add("--workers", job.workers, "Processes that read for each accelerator").Range(1U, kMaxWorkers).ShowDefault();
  train.Add("--prefetch", job.prefetch, "Batches that a worker reads ahead").Range(1U, 1000U).ShowDefault();
  train.Add("--decode-us", arguments.decode_us, "Microseconds of processor time that a worker uses for each sample")
      .NotNegative();
  train.Add("--record", arguments.record, "The files are shards, and each so many bytes of them a sample").Type("SIZE");
  train.Add("--epochs", job.epochs, "Epochs that count, behind one that warms up").Range(1U, 1000U).ShowDefault();
  train.Add("--steps", job.steps, "Steps of an epoch that count").Range(2U, 1U << 20U).ShowDefault();
  train.Add("--seed", job.seed, "Of the first order; each epoch has another").ShowDefault();
  train.Add("--versus", arguments.versus, "A second one, measured in turns with PATH").Type("DIR");
  train.AddFlag("--allow-cached", job.allow_cached,
                fmt::format("Measure also what is less than {} times the memory that may hold it", kTimesMemory));
  train.Add("--remount", job.remount, "Before each run, for a shell: takes PATH down and mounts it again")
      .Type("COMMAND");
  train.AddFlag("--keep-caches", arguments.keep_caches, "Do not drop the machine's caches before runs, as root does");
  train.AddFlag("--quick", arguments.quick,
                fmt::format("{} epochs of {} steps: no verdict", kQuickEpochs, kQuickSteps));
  AddOutputOptions(train, arguments.outputs);
}

}  // namespace

void AddTrainCommand(Command program, Body& run, StoreOpener open) {
  auto arguments = std::make_shared<Arguments>();
  arguments->job.open = open;
  Command train = program.AddSubcommand("train", "How many accelerators the storage feeds in training");
  AddOptions(train, *arguments);
  train.SetBody(run, [arguments] { return RunTrainCommand(*arguments); });
}

}  // namespace quire::bench
