// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/job.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "tools/bench/shell_command.h"
#include "tools/bench/system_counters.h"
#include "tools/bench/train/made_store.h"
#include "tools/progress.h"

namespace quire::bench {
namespace {

// Of the harness's own rate: from there on the verdict is about the machine too.
constexpr double kHostLimit = 0.8;
// Of an order: 4 MB, which control groups of some ten MB have room for.
constexpr uint64_t kCeilingSamples = 500'000;

// Of what runs before this one left in memory.
Result<void> EmptyCaches(std::span<TrainJob> jobs, const JobSettings& settings) {
  if (!settings.remount.empty()) {
    for (TrainJob& job : jobs) job.Close();
    if (auto ran = RunShellCommand(settings.remount); !ran) return ran;
    for (TrainJob& job : jobs)
      if (auto opened = job.Reopen(); !opened) return opened;
  }
  if (!settings.drops_caches) return {};
  std::vector<pid_t> daemons;
  for (const TrainJob& job : jobs)
    daemons.insert(daemons.end(), job.watch().daemons().begin(), job.watch().daemons().end());
  return DropCaches(daemons);
}

}  // namespace

PlayedEpoch operator+(const PlayedEpoch& a, const PlayedEpoch& b) {
  return {.use = Pool(std::array{a.use, b.use}),
          .seconds = a.seconds + b.seconds,
          .samples = a.samples + b.samples,
          .bytes = a.bytes + b.bytes,
          .failures = a.failures + b.failures,
          .first_failure = a.first_failure.empty() ? b.first_failure : a.first_failure,
          .workers = a.workers + b.workers,
          .pressure = a.pressure + b.pressure,
          .spent = a.spent + b.spent};
}

PlayedEpoch PlayedRun::Sum() const {
  PlayedEpoch sum = epochs.front();
  for (const PlayedEpoch& epoch : std::span(epochs).subspan(1)) sum = sum + epoch;
  sum.use.all_wall_seconds += list_seconds;
  return sum;
}

bool PlayedRun::has_passed() const {
  const PlayedEpoch sum = Sum();
  return sum.failures == 0 && sum.use.au() >= kPassingUtilisation;
}

double PlayedRun::samples_per_second(unsigned batch) const {
  const Utilisation use = Sum().use;
  return use.wall_seconds > 0 ? static_cast<double>(use.steps) * accelerators * batch / use.wall_seconds : 0;
}

std::optional<double> FromMemory(const PlayedEpoch& epoch, bool in_memory) {
  if (in_memory) return 1;
  const Fetched& fetched = epoch.spent.fetched;
  if (!fetched.bytes || fetched.at_least || epoch.bytes == 0) return std::nullopt;
  return std::max(0.0, 1 - static_cast<double>(*fetched.bytes) / static_cast<double>(epoch.bytes));
}

bool IsHostLimited(double samples_per_second, double ceiling_samples_per_second) {
  return samples_per_second >= kHostLimit * ceiling_samples_per_second;
}

Result<void> TrainJob::Reopen() {
  if (settings_.record_bytes > 0) {
    auto records = std::make_unique<RecordStore>(path_, settings_.record_bytes);
    records_ = records.get();
    store_ = std::move(records);
  } else if (auto opened = settings_.open(path_)) {
    store_ = std::move(*opened);
  } else {
    return std::unexpected(opened.error());
  }
  watch_ = StorageWatch::Of(path_);
  return {};
}

Result<TrainJob> TrainJob::Open(const std::string& path, const JobSettings& settings) {
  TrainJob job(path, settings);
  if (auto opened = job.Reopen(); !opened) return Propagate(std::move(opened));
  if (auto listed = job.List(); !listed) return Propagate(std::move(listed));
  if (job.samples() == 0)
    return MakeError(ErrorCode::kNotFound, "{}: holds no {}", path,
                     settings.record_bytes == 0
                         ? "regular file"
                         : fmt::format("file of at least one record, {}", FormatBytes(settings.record_bytes)));
  if (auto measured = job.MeasureData(); !measured) return Propagate(std::move(measured));
  return job;
}

Result<void> TrainJob::MeasureData() {
  auto sizes = ListDataSizes(path_);
  if (!sizes) return std::unexpected(sizes.error());
  data_ = {.files = sizes->size(), .bytes = std::accumulate(sizes->begin(), sizes->end(), uint64_t{0})};
  sample_bytes_ = settings_.record_bytes > 0 ? settings_.record_bytes : data_.bytes / samples();
  auto memory = FindHoldingMemory(watch_);
  if (!memory) return Propagate(std::move(memory));
  memory_ = std::move(*memory);
  if (!settings_.allow_cached)
    if (auto checked = CheckDataSize(path_, data_, memory_); !checked) return checked;
  // Of records, those files are shards that hold one. The samples of a pack that is read directly have no sizes here.
  if (records_ != nullptr) std::erase_if(*sizes, [&](uint64_t bytes) { return bytes < settings_.record_bytes; });
  const size_t sliced = records_ != nullptr ? records_->shard_begins().size() - 1 : samples();
  slice_begins_ =
      sizes->size() == sliced ? CutSlices(*sizes, kTimesMemory * memory_.bytes) : std::vector<uint64_t>{0, sliced};
  return {};
}

Result<double> TrainJob::List() {
  const double start = NowSeconds();
  if (auto listed = store_->List(); !listed) return Propagate(std::move(listed));
  const double seconds = NowSeconds() - start;
  if (std::exchange(listed_samples_, samples()) != samples() && orders_ > 0)
    return MakeError(ErrorCode::kUnreadable, "{}: files came or went while it was measured", path_);
  return seconds;
}

TrainingSettings TrainJob::SettingsFor(unsigned accelerators, uint64_t steps) const {
  return {.shape = {.accelerators = accelerators,
                    .workers = settings_.workers,
                    .batch = settings_.workload.batch,
                    .steps = steps},
          .prefetch = settings_.prefetch,
          .step_seconds = settings_.workload.step_seconds,
          .decode_seconds = settings_.decode_seconds,
          .interrupted = settings_.interrupted};
}

std::vector<uint64_t> TrainJob::NextOrder(const BatchShape& shape) {
  const uint64_t seed = settings_.seed + orders_++;
  const uint64_t begin = taken_ ? slice_begins_[*taken_] : 0;
  const uint64_t end = taken_ ? slice_begins_[*taken_ + 1] : slice_begins_.back();
  if (records_ != nullptr) return ShardOrder(shape, records_->shard_begins().subspan(begin, end - begin + 1), seed);
  auto order = ShuffledOrder(shape, end - begin, seed);
  for (uint64_t& sample : order) sample += begin;
  return order;
}

Result<PlayedEpoch> TrainJob::PlayEpoch(unsigned accelerators, uint64_t steps) {
  const double start = NowSeconds();
  const uint64_t skipped = uint64_t{settings_.workers} * settings_.prefetch;
  const TrainingSettings settings = SettingsFor(accelerators, skipped + steps);
  const auto order = NextOrder(ShapeWithReadAhead(settings));
  auto figures = RunTraining(*store_, order, settings, watch_);
  if (!figures) return Propagate(std::move(figures));
  PlayedEpoch epoch{.use = Account(figures->times, settings.step_seconds, skipped),
                    .seconds = NowSeconds() - start,
                    .samples = figures->samples,
                    .bytes = figures->bytes,
                    .failures = figures->failures,
                    .first_failure = std::move(figures->first_failure),
                    .workers = figures->workers,
                    .pressure = figures->pressure,
                    .spent = figures->spent};
  epoch.use.all_wall_seconds = epoch.seconds;
  return epoch;
}

Result<double> TrainJob::MeasureCeiling(unsigned accelerators) const {
  const uint64_t step_samples = static_cast<uint64_t>(accelerators) * settings_.workload.batch;
  const uint64_t least_steps = uint64_t{kLeastBatches} * settings_.workers;
  TrainingSettings settings = SettingsFor(accelerators, std::max(kCeilingSamples / step_samples, least_steps));
  settings.step_seconds = 0;
  settings.limit_seconds = settings_.ceiling_seconds;
  const auto made = MakeMadeStore(1, sample_bytes_);
  const std::vector<uint64_t> order(ShapeWithReadAhead(settings).samples());
  const auto figures = RunTraining(*made, order, settings, StorageWatch());
  if (!figures) return std::unexpected(figures.error());
  // The first batches of all workers come at about one time, whatever the rate.
  const std::vector<double>& ends = figures->times.step_ends;
  const double seconds = ends.back() - ends[settings.shape.workers - 1];
  return static_cast<double>(ends.size() - settings.shape.workers) * static_cast<double>(step_samples) / seconds;
}

Result<std::vector<PlayedRun>> PlayRuns(std::span<TrainJob> jobs, const JobSettings& settings, unsigned accelerators,
                                        bool is_whole) {
  std::vector<PlayedRun> runs(jobs.size(), PlayedRun{.accelerators = accelerators, .is_whole = is_whole});
  for (size_t i = 0; i < jobs.size(); ++i) {
    auto ceiling = jobs[i].MeasureCeiling(accelerators);
    if (!ceiling) return Propagate(std::move(ceiling));
    runs[i].ceiling_samples_per_second = *ceiling;
  }
  if (auto emptied = EmptyCaches(jobs, settings); !emptied) return Propagate(std::move(emptied));
  for (size_t i = 0; i < jobs.size(); ++i) {
    auto listed = jobs[i].List();
    if (!listed) return Propagate(std::move(listed));
    runs[i].list_seconds = *listed;
    if (is_whole)
      jobs[i].TakeAll();
    else
      jobs[i].TakeNextSlice();
  }
  const unsigned warm_ups = is_whole ? 1 : 0;
  for (unsigned turn = 0; turn < (is_whole ? settings.epochs : 1) + warm_ups; ++turn) {
    for (size_t place = 0; place < jobs.size(); ++place) {
      const size_t i = turn % 2 == 0 ? place : jobs.size() - 1 - place;
      auto epoch = jobs[i].PlayEpoch(accelerators, is_whole ? settings.steps : settings.trial_steps);
      if (!epoch) return Propagate(std::move(epoch));
      if (turn >= warm_ups) runs[i].epochs.push_back(std::move(*epoch));
    }
  }
  return runs;
}

}  // namespace quire::bench
