// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/train/training.h"

#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>
#include <memory>
#include <new>
#include <thread>

#include "tools/bench/child_processes.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

// Between two looks whether the epoch is to end: of waits for batches, of sleeps, and of the thread that watches.
constexpr double kLookSeconds = 0.1;
constexpr auto kWatchPause = std::chrono::milliseconds(5);

timespec ToTimespec(double seconds) {
  const double whole = std::floor(seconds);
  return {.tv_sec = static_cast<time_t>(whole), .tv_nsec = static_cast<long>((seconds - whole) * 1e9)};
}

// What a worker and its accelerator share, and what the worker tells of itself. Alone on its cache lines: workers write
// theirs all the time.
struct alignas(128) Worker {
  sem_t free;   // batches that it may still begin
  sem_t ready;  // batches that wait for the accelerator
  // The worker writes these before it says that a batch is ready.
  WorkerTimes times = {};
  uint64_t samples = 0;
  uint64_t bytes = 0;
  uint64_t failures = 0;
  std::array<char, 512> first_failure = {};  // ends with NUL
  bool is_shut = false;                      // the store could not be opened; first_failure says why
};

// One for each worker, in memory that processes share.
class SharedWorkers {
 public:
  static Result<SharedWorkers> Make(size_t count, unsigned prefetch) {
    const size_t bytes = count * sizeof(Worker);
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return SystemError(errno, "cannot take {} bytes for the workers", bytes);
    SharedWorkers shared(memory, count);
    for (Worker& worker : shared.workers()) {
      sem_init(&worker.free, /*pshared=*/1, prefetch);
      sem_init(&worker.ready, /*pshared=*/1, 0);
    }
    return shared;
  }

  [[nodiscard]] std::span<Worker> workers() const { return workers_; }

 private:
  SharedWorkers(void* memory, size_t count)
      : memory_(memory, [bytes = count * sizeof(Worker)](void* mapped) { munmap(mapped, bytes); }),
        workers_(new(memory) Worker[count], count) {}

  std::shared_ptr<void> memory_;
  std::span<Worker> workers_;
};

struct Job {
  const SampleStore& store;
  std::span<const uint64_t> order;
  const TrainingSettings& settings;
};

bool IsInterrupted(const TrainingSettings& settings) {
  return settings.interrupted != nullptr && *settings.interrupted;
}

// Uses the processor as a decoder would: time in which it had no core does not count.
void Decode(double seconds) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  for (const double end = now() + seconds; now() < end;) continue;
}

void ReadBatch(const Job& job, std::span<const uint64_t> batch, StoreReader& reader, Worker& worker) {
  for (const uint64_t sample : batch) {
    const double before = NowSeconds();
    const auto bytes = reader.Read(sample);
    worker.times.reading += NowSeconds() - before;
    if (bytes) {
      ++worker.samples;
      worker.bytes += *bytes;
    } else if (worker.failures++ == 0) {
      worker.first_failure[bytes.error().message.copy(worker.first_failure.data(), worker.first_failure.size() - 1)] =
          0;
    }
    if (job.settings.decode_seconds > 0) Decode(job.settings.decode_seconds);
    worker.times.decoding += job.settings.decode_seconds;
  }
}

// The life of worker `number` of accelerator `accelerator`. It is killed when the epoch ends before its batches do.
void Work(const Job& job, unsigned accelerator, unsigned number, Worker& worker) {
  const BatchShape shape = ShapeWithReadAhead(job.settings);
  auto reader = job.store.NewReader();
  if (!reader) {
    worker.first_failure[reader.error().message.copy(worker.first_failure.data(), worker.first_failure.size() - 1)] = 0;
    worker.is_shut = true;
    _exit(1);
  }
  for (uint64_t step = number; step < shape.steps; step += shape.workers) {
    const double before = NowSeconds();
    while (sem_wait(&worker.free) != 0 && errno == EINTR) continue;
    worker.times.idle += NowSeconds() - before;
    ReadBatch(job, shape.BatchOf(job.order, step, accelerator), **reader, worker);
    worker.times.cpu = ThreadCpuSeconds();
    worker.times.run_queue = std::max(0.0, ThreadRunQueueSeconds());
    sem_post(&worker.ready);
  }
}

// The accelerators of one epoch: a thread each, which note when what happened.
class Accelerators {
 public:
  Accelerators(const Job& job, std::span<Worker> workers)
      : settings_(job.settings),
        workers_(workers),
        barrier_(job.settings.shape.accelerators, EndStep{this}),
        running_(job.settings.shape.accelerators) {
    const BatchShape& shape = settings_.shape;
    times_.step_ends.reserve(shape.steps);
    times_.arrivals.assign(shape.accelerators, std::vector<double>(shape.steps));
    times_.computeds = times_.arrivals;
  }

  void Start(double begin) {
    times_.begin = begin;
    for (unsigned number = 0; number < settings_.shape.accelerators; ++number)
      threads_.emplace_back([this, number] {
        Run(number);
        --running_;
      });
  }

  void Stop() { is_stopped_ = true; }
  [[nodiscard]] bool IsRunning() const { return running_ > 0; }

  // REQUIRES: not IsRunning().
  EpochTimes TakeTimes() {
    threads_.clear();
    for (auto* const all : {&times_.arrivals, &times_.computeds})
      for (auto& one : *all) one.resize(times_.step_ends.size());
    return std::move(times_);
  }

 private:
  // Runs in the thread that comes to the barrier last, while all others wait there.
  struct EndStep {
    void operator()() const noexcept { accelerators->NoteStepEnd(); }
    Accelerators* accelerators;
  };

  void NoteStepEnd() {
    if (is_stopped_) return;
    times_.step_ends.push_back(NowSeconds());
    if (settings_.limit_seconds <= 0 || times_.step_ends.size() < size_t{kLeastBatches} * settings_.shape.workers)
      return;
    if (times_.step_ends.back() - times_.begin > settings_.limit_seconds) is_stopped_ = true;
  }

  void Run(unsigned number) {
    prctl(PR_SET_TIMERSLACK, 1);  // ns; a sleep stands for what is exact
    // An accelerator needs no core to compute, and must not wait behind workers for the moment in which it takes a
    // batch: 20 of them with 80 workers on 2 cores, whose batches were ready, lost 9 % of the time. Root may have
    // it so.
    const sched_param first{.sched_priority = 1};
    sched_setscheduler(0, SCHED_RR, &first);
    for (uint64_t step = 0; step < settings_.shape.steps; ++step) {
      Worker& worker = workers_[static_cast<size_t>(number) * settings_.shape.workers + step % settings_.shape.workers];
      if (!AwaitBatch(worker)) {
        barrier_.arrive_and_drop();  // nobody waits for one that is gone
        return;
      }
      const double arrival = NowSeconds();
      sem_post(&worker.free);
      SleepUntil(arrival + settings_.step_seconds);
      times_.arrivals[number][step] = arrival;
      times_.computeds[number][step] = NowSeconds();
      barrier_.arrive_and_wait();
    }
  }

  // False where the epoch ends before there is one.
  bool AwaitBatch(Worker& worker) {
    while (!is_stopped_) {
      const timespec until = ToTimespec(NowSeconds() + kLookSeconds);
      if (sem_clockwait(&worker.ready, CLOCK_MONOTONIC, &until) == 0) return !is_stopped_;
    }
    return false;
  }

  void SleepUntil(double end) {
    for (double now = NowSeconds(); now < end && !is_stopped_; now = NowSeconds()) {
      const timespec until = ToTimespec(std::min(end, now + kLookSeconds));
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    }
  }

  const TrainingSettings& settings_;
  const std::span<Worker> workers_;
  EpochTimes times_;  // step_ends belongs to who ends a step, the rows of others to their accelerators
  std::barrier<EndStep> barrier_;
  std::atomic<bool> is_stopped_ = false;
  std::atomic<unsigned> running_;
  std::vector<std::jthread> threads_;  // last: they use all above
};

Result<void> StartWorkers(const Job& job, std::span<Worker> workers, ChildProcesses& processes) {
  const BatchShape& shape = job.settings.shape;
  for (size_t i = 0; i < workers.size(); ++i) {
    auto started = processes.Start([&] {
      Work(job, static_cast<unsigned>(i / shape.workers), static_cast<unsigned>(i % shape.workers), workers[i]);
    });
    if (!started) return started;
  }
  return {};
}

// Until the accelerators have ended. They are stopped where a worker dies or the caller's flag is set.
Result<void> Await(Accelerators& accelerators, ChildProcesses& processes, const TrainingSettings& settings,
                   std::span<const Worker> workers) {
  Result<void> outcome;
  while (accelerators.IsRunning()) {
    std::this_thread::sleep_for(kWatchPause);
    if (!outcome) continue;
    if (IsInterrupted(settings)) {
      outcome = MakeError(ErrorCode::kInterrupted, "interrupted");
    } else if (const auto running = processes.StillRunning(); !running) {
      outcome = std::unexpected(running.error());
      const auto shut = std::ranges::find_if(workers, &Worker::is_shut);
      if (shut != workers.end()) outcome = MakeError(ErrorCode::kUnreadable, "{}", shut->first_failure.data());
    }
    if (!outcome) accelerators.Stop();
  }
  return outcome;
}

// No worker is left when it returns.
Result<EpochTimes> PlayJob(const Job& job, std::span<Worker> workers) {
  const double begin = NowSeconds();
  ChildProcesses processes("a worker");  // made before the threads of the accelerators, which no child has then
  if (auto started = StartWorkers(job, workers, processes); !started) return Propagate(std::move(started));
  Accelerators accelerators(job, workers);
  accelerators.Start(begin);
  if (auto ended = Await(accelerators, processes, job.settings, workers); !ended) return Propagate(std::move(ended));
  return accelerators.TakeTimes();
}

void Gather(std::span<const Worker> workers, TrainingFigures& figures) {
  for (const Worker& worker : workers) {
    figures.samples += worker.samples;
    figures.bytes += worker.bytes;
    figures.failures += worker.failures;
    figures.workers = figures.workers + worker.times;
    if (figures.first_failure.empty()) figures.first_failure = worker.first_failure.data();
  }
}

}  // namespace

BatchShape ShapeWithReadAhead(const TrainingSettings& settings) {
  BatchShape shape = settings.shape;
  shape.steps += uint64_t{shape.workers} * settings.prefetch;
  return shape;
}

Result<TrainingFigures> RunTraining(const SampleStore& store, std::span<const uint64_t> order,
                                    const TrainingSettings& settings, const StorageWatch& watch) {
  const BatchShape& shape = settings.shape;
  const size_t worker_count = static_cast<size_t>(shape.accelerators) * shape.workers;
  assert(order.size() >= ShapeWithReadAhead(settings).samples() && worker_count >= 1 && worker_count <= kMaxWorkers);
  assert(settings.prefetch >= 1 && settings.step_seconds <= kMaxStepSeconds);
  auto shared = SharedWorkers::Make(worker_count, settings.prefetch);
  if (!shared) return Propagate(std::move(shared));
  const StorageWatch::Mark before = watch.Now();
  const Pressure pressure_before = ReadPressure();
  auto times = PlayJob({store, order, settings}, shared->workers());
  if (!times) return Propagate(std::move(times));
  TrainingFigures figures{.times = std::move(*times), .pressure = ReadPressure() - pressure_before};
  figures.spent = watch.Since(before);  // workers that were waited for are counted as this process
  Gather(shared->workers(), figures);
  return figures;
}

}  // namespace quire::bench
