// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/epoch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <thread>

#include "format/file.h"
#include "tools/bench/child_processes.h"
#include "tools/bench/statistics.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

// What one reader tells of itself, in memory shared with the process that asked.
struct ReaderShare {
  double start_seconds = 0;
  double end_seconds = 0;
  double cpu_seconds = 0;
  double run_queue_seconds = -1;  // below 0: the kernel does not tell
  double open_seconds = 0;
  uint64_t samples = 0;
  uint64_t bytes = 0;
  uint64_t failures = 0;
  std::array<char, 512> first_failure = {};  // ends with NUL
};

// Memory shared with the readers, whether they are threads or processes: the epoch's next sample, a share for each
// reader, and a latency for each place in the order (0: not read).
class SharedEpoch {
 public:
  static Result<SharedEpoch> Make(unsigned readers, size_t samples) {
    const size_t bytes = sizeof(Header) + readers * sizeof(ReaderShare) + samples * sizeof(double);
    // Populated now, so that no reader pays for a page fault of the measurement.
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) return SystemError(errno, "cannot take {} bytes for the latencies", bytes);
    return SharedEpoch(memory, bytes, readers, samples);
  }

  std::atomic<uint64_t>& next() { return header_->next; }
  std::span<ReaderShare> shares() { return shares_; }
  std::span<double> latencies() { return latencies_; }

 private:
  struct Header {
    std::atomic<uint64_t> next = 0;
  };
  static_assert(std::atomic<uint64_t>::is_always_lock_free, "shared between processes");

  SharedEpoch(void* memory, size_t bytes, unsigned readers, size_t samples)
      : memory_(memory, [bytes](void* mapped) { munmap(mapped, bytes); }), header_(new(memory) Header) {
    auto* const shares = new (header_ + 1) ReaderShare[readers];
    shares_ = {shares, readers};
    latencies_ = {reinterpret_cast<double*>(shares + readers), samples};
  }

  std::shared_ptr<void> memory_;
  Header* header_;
  std::span<ReaderShare> shares_;
  std::span<double> latencies_;
};

// The two ends of a pipe, over which readers say that they are ready, or are told to start by its closing.
struct Pipe {
  File read_end;
  File write_end;

  static Result<Pipe> Make() {
    std::array<int, 2> fds{};
    if (pipe2(fds.data(), O_CLOEXEC) != 0) return SystemError(errno, "pipe");
    return Pipe{File(fds[0]), File(fds[1])};
  }
};

void Note(std::array<char, 512>& into, const std::string& message) {
  into[message.copy(into.data(), into.size() - 1)] = '\0';
}

struct Job {
  const SampleStore& store;
  std::span<const uint64_t> order;
  const EpochSettings& settings;
  SharedEpoch& shared;
};

bool IsInterrupted(const EpochSettings& settings) { return settings.interrupted != nullptr && *settings.interrupted; }

// Reads one batch after the other until the order or the time is at its end.
void ReadBatches(const Job& job, StoreReader& reader, ReaderShare& share) {
  const double deadline = job.settings.limit_seconds > 0 ? share.start_seconds + job.settings.limit_seconds : HUGE_VAL;
  double before = share.start_seconds;
  while (before < deadline && !IsInterrupted(job.settings)) {
    const uint64_t begin = job.shared.next().fetch_add(job.settings.batch, std::memory_order_relaxed);
    if (begin >= job.order.size()) return;
    const uint64_t end = std::min<uint64_t>(begin + job.settings.batch, job.order.size());
    for (uint64_t place = begin; place < end; ++place) {
      const auto bytes = reader.Read(job.order[place]);
      const double after = NowSeconds();
      if (bytes) {
        ++share.samples;
        share.bytes += *bytes;
        share.open_seconds += reader.open_seconds();
        job.shared.latencies()[place] = after - before;
      } else if (share.failures++ == 0) {
        Note(share.first_failure, bytes.error().message);
      }
      before = after;
    }
  }
}

// The life of one reader: open, say so, wait for the start, read. An unopened store is told in place of "ready".
void RunReader(const Job& job, ReaderShare& share, const File& ready, const File& start) {
  auto reader = job.store.NewReader();
  if (!reader) Note(share.first_failure, reader.error().message);
  const char answer = reader ? 'r' : 'f';
  if (write(ready.fd(), &answer, 1) != 1 || !reader) return;
  char nothing = 0;
  while (read(start.fd(), &nothing, 1) < 0 && errno == EINTR) continue;  // ends when the writing end is closed
  const double cpu_before = ThreadCpuSeconds();
  const double run_queue_before = ThreadRunQueueSeconds();
  share.start_seconds = NowSeconds();
  ReadBatches(job, **reader, share);
  share.end_seconds = NowSeconds();
  share.cpu_seconds = ThreadCpuSeconds() - cpu_before;
  if (run_queue_before >= 0) share.run_queue_seconds = ThreadRunQueueSeconds() - run_queue_before;
}

// Readers as threads or processes, started, and later awaited.
class Readers {
 public:
  void StartThreads(const Job& job, const File& ready, const File& start) {
    for (ReaderShare& share : job.shared.shares())
      threads_.emplace_back([job, &share, &ready, &start] { RunReader(job, share, ready, start); });
  }

  Result<void> StartProcesses(const Job& job, Pipe& ready, Pipe& start) {
    for (ReaderShare& share : job.shared.shares()) {
      auto started = processes_.Start([&] {
        start.write_end = File();  // or this process would wait for itself
        RunReader(job, share, ready.write_end, start.read_end);
      });
      if (!started) return started;
    }
    return {};
  }

  // Waits until all have ended; kInterrupted when the caller's flag was set meanwhile.
  Result<void> Join(const EpochSettings& settings) {
    threads_.clear();
    while (true) {
      const auto running = processes_.StillRunning();
      if (!running) return std::unexpected(running.error());
      if (*running == 0 || IsInterrupted(settings)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (IsInterrupted(settings)) return MakeError(ErrorCode::kInterrupted, "interrupted");
    return {};
  }

 private:
  ChildProcesses processes_{"a reader"};
  std::vector<std::jthread> threads_;
};

// Waits for the answer of every reader.
Result<void> AwaitReady(const File& ready, std::span<const ReaderShare> shares) {
  for (size_t answered = 0; answered < shares.size();) {
    char answer = 0;
    const ssize_t count = read(ready.fd(), &answer, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return MakeError(ErrorCode::kSystem, "a reader died before it started");
    if (answer != 'r') {
      const auto failed = std::ranges::find_if(shares, [](const auto& share) { return share.first_failure[0] != 0; });
      return MakeError(ErrorCode::kUnreadable, "{}", failed->first_failure.data());
    }
    ++answered;
  }
  return {};
}

constexpr size_t kPieces = 10;
constexpr size_t kLeastOfPiece = 20;  // samples; the rate of fewer is that of their slowest

// The rates in the tenths of what was claimed: the readers' time for them, which goes by for all readers at once.
std::vector<double> PieceRates(std::span<const double> latencies, size_t readers) {
  std::vector<double> rates;
  if (latencies.size() < kPieces * kLeastOfPiece) return rates;
  for (size_t piece = 0; piece < kPieces; ++piece) {
    const size_t begin = latencies.size() * piece / kPieces;
    const auto part = latencies.subspan(begin, latencies.size() * (piece + 1) / kPieces - begin);
    const double seconds = std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(readers);
    if (seconds > 0) rates.push_back(static_cast<double>(part.size()) / seconds);
  }
  return rates;
}

EpochFigures Gather(SharedEpoch& shared, size_t samples) {
  EpochFigures figures{.run_queue_seconds = 0};
  double start_seconds = HUGE_VAL;
  double end_seconds = 0;
  for (const ReaderShare& share : shared.shares()) {
    start_seconds = std::min(start_seconds, share.start_seconds);
    end_seconds = std::max(end_seconds, share.end_seconds);
    figures.samples += share.samples;
    figures.bytes += share.bytes;
    figures.failures += share.failures;
    figures.open_seconds += share.open_seconds;
    figures.reader_cpu_seconds += share.cpu_seconds;
    if (share.run_queue_seconds < 0) figures.run_queue_seconds.reset();
    if (figures.run_queue_seconds) *figures.run_queue_seconds += share.run_queue_seconds;
    if (figures.first_failure.empty()) figures.first_failure = share.first_failure.data();
  }
  figures.seconds = end_seconds - start_seconds;
  figures.complete = shared.next() >= samples;
  figures.piece_rates =
      PieceRates(shared.latencies().first(std::min<size_t>(shared.next(), samples)), shared.shares().size());
  std::ranges::copy_if(shared.latencies(), std::back_inserter(figures.latency_seconds),
                       [](double seconds) { return seconds > 0; });
  std::ranges::sort(figures.latency_seconds);
  return figures;
}

}  // namespace

std::optional<double> EpochFigures::latency_at(double percent) const { return PercentileOf(latency_seconds, percent); }

Result<EpochFigures> RunEpoch(const SampleStore& store, std::span<const uint64_t> order, const EpochSettings& settings,
                              const StorageWatch& watch) {
  assert(settings.readers >= 1 && settings.readers <= kMaxReaders && settings.batch >= 1);
  auto shared = SharedEpoch::Make(settings.readers, order.size());
  auto ready = Pipe::Make();
  auto start = Pipe::Make();
  if (!shared) return Propagate(std::move(shared));
  if (!ready) return Propagate(std::move(ready));
  if (!start) return Propagate(std::move(start));
  const Job job{store, order, settings, *shared};
  Readers readers;  // after what they use, so that they end before it
  if (settings.processes) {
    if (auto started = readers.StartProcesses(job, *ready, *start); !started) return Propagate(std::move(started));
    ready->write_end = File();  // so that the end of all readers is seen
  } else {
    readers.StartThreads(job, ready->write_end, start->read_end);
  }
  const auto opened = AwaitReady(ready->read_end, shared->shares());
  if (!opened) shared->next() = order.size();  // those that are ready find nothing to do
  const StorageWatch::Mark before = watch.Now();
  std::jthread beside;  // after the readers, so that it ends before them where this fails
  if (opened && settings.beside) beside = std::jthread(settings.beside);
  start->write_end = File();
  const auto joined = readers.Join(settings);
  if (!opened) return std::unexpected(opened.error());
  if (!joined) return std::unexpected(joined.error());
  EpochFigures figures = Gather(*shared, order.size());
  figures.spent = watch.Since(before);
  return figures;
}

}  // namespace quire::bench
