// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/train_insights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/bench/axis.h"
#include "tools/bench/comparison.h"
#include "tools/bench/statistics.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

// A verdict needs as many: the epochs of MLPerf Storage, of minutes each.
constexpr unsigned kVerdictEpochs = 5;
constexpr uint64_t kVerdictSteps = 500;

std::string Percent(double fraction) { return fmt::format("{:.1f} %", 100 * fraction); }

std::string Accelerators(unsigned count) { return fmt::format("{} accelerator{}", count, count == 1 ? "" : "s"); }

// "; 3.1 % of the samples' bytes came from memory".
std::string MemoryPart(const PlayedRun& run, const TrainedJob& job) {
  const auto part = FromMemory(run.Sum(), job.in_memory);
  return part ? fmt::format("; {} of the bytes came from memory", Percent(*part))
              : "; how much came from memory nothing counts";
}

const PlayedRun* FindWhole(const TrainedJob& job, unsigned accelerators) {
  const auto found = std::ranges::find_if(
      job.runs, [&](const PlayedRun& run) { return run.is_whole && run.accelerators == accelerators; });
  return found == job.runs.end() ? nullptr : &*found;
}

std::string WorkloadText(const Workload& workload) {
  return fmt::format("{}: {} samples every {}", workload.name, workload.batch,
                     FormatValue(workload.step_seconds, Unit::kSeconds));
}

std::string FoundSentence(const TrainedJob& job, const JobSettings& settings) {
  const unsigned count = job.found->accelerators;
  std::string sentence = fmt::format("{} feeds {}{} ({})", job.path, job.found->may_be_more ? "at least " : "",
                                     Accelerators(count), WorkloadText(settings.workload));
  if (count > 0) sentence += fmt::format(": with {} the AU was {}", count, Percent(job.chosen().Sum().use.au()));
  if (const PlayedRun* const more = FindWhole(job, count + 1))
    sentence += fmt::format("{} with {} it was {}", count > 0 ? "," : ":", count + 1, Percent(more->Sum().use.au()));
  return sentence + fmt::format(", of at least {}{}.", Percent(kPassingUtilisation), MemoryPart(job.chosen(), job));
}

std::string FixedSentence(const TrainedJob& job, const JobSettings& settings) {
  const PlayedRun& run = job.chosen();
  return fmt::format("{} {} {} ({}): the AU was {}, of at least {}{}.", job.path,
                     run.has_passed() ? "feeds" : "does not feed", Accelerators(run.accelerators),
                     WorkloadText(settings.workload), Percent(run.Sum().use.au()), Percent(kPassingUtilisation),
                     MemoryPart(run, job));
}

const char* LossText(LostTo lost_to) {
  switch (lost_to) {
    case LostTo::kNothing:
      return "next to nothing was lost";
    case LostTo::kStorage:
      return "the storage is what they waited for";
    case LostTo::kDaemon:
      return "the daemon of the file system computed meanwhile, and is what they waited for";
    case LostTo::kProcessor:
      return "this machine's processor is what they waited for";
    case LostTo::kBarrier:
      break;
  }
  return "they waited for the slowest of them, each time another batch that came late";
}

std::string LossSentence(const PlayedRun& run, unsigned cores) {
  const PlayedEpoch sum = run.Sum();
  const auto part = [&](double seconds) { return Percent(seconds / sum.use.wall_seconds); };
  std::string sentence = fmt::format(
      "Of their time {} lost {} waiting for batches, {} at the barrier and {} to sleeps that ended late: {}.",
      Accelerators(run.accelerators), part(sum.use.stall_seconds), part(sum.use.barrier_seconds),
      part(sum.use.overshoot_seconds), LossText(LossOf(run, cores)));
  const auto stalled = [&](const char* what, const std::optional<double>& seconds) {
    if (seconds) sentence += fmt::format(" {} was short for {} of the time.", what, Percent(*seconds / sum.seconds));
  };
  stalled("The processor", sum.pressure.cpu);
  stalled("I/O", sum.pressure.io);
  return sentence;
}

std::string HostSentence(const PlayedRun& run, unsigned batch) {
  return fmt::format(
      "Host-limited: {} had {} samples/s, and with samples made in memory this machine comes to {} by itself. More "
      "accelerators need a larger machine, or several, whatever the storage.",
      Accelerators(run.accelerators), FormatCount(std::llround(run.samples_per_second(batch))),
      FormatCount(std::llround(run.ceiling_samples_per_second)));
}

std::string WholeSentence(const PlayedRun& run) {
  const PlayedEpoch sum = run.Sum();
  return fmt::format(
      "With listing ({}), the start of the workers and the first steps of each epoch, which AU leaves out, it is {}.",
      FormatValue(run.list_seconds, Unit::kSeconds), Percent(sum.use.whole_au()));
}

// What a run may find in memory of those before it.
std::string CachesSentence(const TrainedJob& job, const JobSettings& settings) {
  const bool is_remounted = !settings.remount.empty();
  std::string done = is_remounted ? "the storage was mounted anew" : "";
  if (settings.drops_caches) done += (done.empty() ? "" : " and ") + std::string("the machine's caches were dropped");
  std::string sentence = done.empty() ? "Nothing emptied the caches between runs" : "Before each run " + done;
  if (!settings.drops_caches && !is_remounted)
    sentence += ", which root does where it may";
  else if (!settings.drops_caches)
    sentence += ", and its caches were kept";
  if (job.behind_daemon && !is_remounted)
    sentence += "; the daemon of the mount kept its memory, which --remount empties";
  if (job.found && job.slices > 1)
    sentence += fmt::format("; each trial read another one of {} parts of the samples", job.slices);
  return sentence + ".";
}

std::vector<double> EpochUtilisations(const PlayedRun& run) {
  std::vector<double> aus;
  aus.reserve(run.epochs.size());
  for (const PlayedEpoch& epoch : run.epochs) aus.push_back(epoch.use.au());
  return aus;
}

std::string CompareSentence(const TrainedJob& a, const TrainedJob& b) {
  if (a.found && b.found)
    return fmt::format("{} feeds {}, {} feeds {}.", a.path, Accelerators(a.found->accelerators), b.path,
                       Accelerators(b.found->accelerators));
  const auto aus = std::pair(EpochUtilisations(a.chosen()), EpochUtilisations(b.chosen()));
  const std::string medians = fmt::format("In turns, the AU of {} was {} and that of {} {}, medians of {} epochs",
                                          a.path, Percent(Summarize(aus.first).median), b.path,
                                          Percent(Summarize(aus.second).median), aus.first.size());
  const auto ratio = RatioOf(aus.first, aus.second);
  if (!ratio) return medians + fmt::format("; {} epochs would tell whether that is noise.", kLeastRounds);
  return medians + fmt::format(": {:.3g} x ({:.3g} to {:.3g}){}.", ratio->middle, ratio->low, ratio->high,
                               ratio->holds(1) ? ", no difference that could be told" : "");
}

void DescribeSize(const TrainedJob& job, const Workload& workload, std::vector<std::string>& insights) {
  const auto expected = static_cast<double>(workload.sample_bytes);
  const auto actual = static_cast<double>(job.sample_bytes);
  if (expected == 0 || (actual > 0.8 * expected && actual < 1.25 * expected)) return;
  insights.push_back(fmt::format("The samples of {} have {} on average; the times of {} are those of {}.", job.path,
                                 FormatValue(actual, Unit::kBytes), workload.name,
                                 FormatValue(expected, Unit::kBytes)));
}

void DescribeJob(const TrainedJob& job, const JobSettings& settings, std::vector<std::string>& insights) {
  insights.push_back(job.found ? FoundSentence(job, settings) : FixedSentence(job, settings));
  if (const std::string why = WhyNoVerdict(job, settings); !why.empty())
    insights.push_back(fmt::format("That is no verdict: {}.", why));
  const PlayedRun& last = job.runs.back();  // of a search, the one that did not pass
  const unsigned batch = settings.workload.batch;
  if (IsHostLimited(last.samples_per_second(batch), last.ceiling_samples_per_second))
    insights.push_back(HostSentence(last, batch));
  insights.push_back(LossSentence(last, job.cores));
  insights.push_back(WholeSentence(job.chosen()));
  insights.push_back(CachesSentence(job, settings));
  DescribeSize(job, settings.workload, insights);
}

}  // namespace

const PlayedRun& TrainedJob::chosen() const {
  const PlayedRun* const whole = found ? FindWhole(*this, found->accelerators) : nullptr;
  return whole != nullptr ? *whole : runs.back();
}

LostTo LossOf(const PlayedRun& run, unsigned cores) {
  const PlayedEpoch sum = run.Sum();
  return JudgeLoss(sum.use, {.workers = sum.workers, .spent = sum.spent, .seconds = sum.seconds, .cores = cores});
}

std::string WhyNoVerdict(const TrainedJob& job, const JobSettings& settings) {
  const PlayedEpoch sum = job.chosen().Sum();
  if (sum.failures > 0)
    return fmt::format("{} samples could not be read, the first: {}", sum.failures, sum.first_failure);
  if (job.in_memory) return "the storage lies in memory";
  if (!job.is_large_enough)
    return fmt::format("the data is less than {} times the memory that may hold it", kTimesMemory);
  if (settings.epochs < kVerdictEpochs || settings.steps < kVerdictSteps)
    return fmt::format("it takes {} epochs of {} steps, and these were {} of {}", kVerdictEpochs, kVerdictSteps,
                       settings.epochs, settings.steps);
  return "";
}

std::vector<std::string> TrainInsights(const std::vector<TrainedJob>& jobs, const JobSettings& settings) {
  std::vector<std::string> insights;
  if (jobs.size() == 2) insights.push_back(CompareSentence(jobs[0], jobs[1]));
  for (const TrainedJob& job : jobs) DescribeJob(job, settings, insights);
  return insights;
}

}  // namespace quire::bench
