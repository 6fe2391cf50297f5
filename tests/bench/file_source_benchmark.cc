// SPDX-License-Identifier: Apache-2.0
// How fast the sources read a file, and what processor time a gigabyte costs, by engine and by kind of memory. To
// be compared with fio at the same block size and depth:
//   QUIRE_BENCH_FILE=FILE file_source_benchmark --benchmark_repetitions=5
//   fio --name=x --filename=FILE --readonly --direct=1 --ioengine=io_uring --rw=read --bs=256k --iodepth=16
// Memory of HugePages::kHugetlb needs 128 free pages: sysctl vm.nr_hugepages=128.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <random>
#include <semaphore>
#include <vector>

#include "cache/memory/arena.h"
#include "cache/volume/file_source.h"
#include "format/file.h"

namespace quire {
namespace {

// All are used in turn, as a cache would: 256 MiB do not stay in the processor's cache.
constexpr uint32_t kSlots = 128;

// What is read: lists of `parts` parts of `bytes` each, `depth` lists in flight.
struct Pattern {
  bool is_random;
  uint32_t parts;
  uint32_t bytes;
  uint32_t depth;
  uint64_t total;  // for each iteration
};
constexpr Pattern kPagesInOrder = {false, 8, 256 << 10, 2, uint64_t{1} << 30};
constexpr Pattern kPagesInOrderDeep = {false, 8, 256 << 10, 8, uint64_t{1} << 30};
constexpr Pattern kRandom128k = {true, 1, 128 << 10, 8, uint64_t{1} << 29};
constexpr Pattern kRandom4k = {true, 1, 4 << 10, 32, uint64_t{1} << 27};

double ProcessorSeconds() {
  rusage used = {};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Keeps `depth` lists in flight until `total` bytes were read: every list that is done becomes the next one.
class Reader {
 public:
  Reader(VolumeSource& engine, const Arena& arena, const Pattern& pattern, uint64_t file_bytes)
      : engine_(engine), arena_(arena), pattern_(pattern), lists_(pattern.depth) {
    const uint64_t list_bytes = uint64_t{pattern.parts} * pattern.bytes;
    for (uint64_t offset = 0; offset + list_bytes <= file_bytes; offset += list_bytes) offsets_.push_back(offset);
    if (pattern.is_random) std::shuffle(offsets_.begin(), offsets_.end(), std::mt19937_64(1));
  }

  // Returns false where a read failed.
  bool Run() {
    to_begin_ = static_cast<int64_t>(pattern_.total / pattern_.parts / pattern_.bytes);
    lists_under_way_ = pattern_.depth;
    for (List& list : lists_) {
      list.reader = this;
      Next(list);
    }
    finished_.acquire();
    return !has_failed_;
  }

 private:
  struct List;
  struct Part : VolumeRead {
    List* list = nullptr;
  };
  struct List {
    Reader* reader = nullptr;
    std::atomic<uint32_t> left = 0;
    std::array<Part, kPageBytes / kFileRequestBytes> parts;
  };

  void Next(List& list) {
    if (to_begin_.fetch_sub(1) <= 0) {
      if (lists_under_way_.fetch_sub(1) == 1) finished_.release();
      return;
    }
    const uint64_t turn = turn_.fetch_add(1);
    const uint64_t offset = offsets_[turn % offsets_.size()];
    const auto slot = static_cast<uint32_t>(turn % kSlots);
    list.left = pattern_.parts;
    for (uint32_t i = 0; i < pattern_.parts; ++i) {
      Part& part = list.parts[i];
      part.list = &list;
      part.offset = offset + uint64_t{i} * pattern_.bytes;
      part.into = arena_.slot(slot).data() + size_t{i} * pattern_.bytes;
      part.bytes = pattern_.bytes;
      part.done = Done;
      part.next = i + 1 < pattern_.parts ? &list.parts[i + 1] : nullptr;
    }
    engine_.Submit(list.parts.data());
  }
  static void Done(VolumeRead& read, int64_t result) {
    List& list = *static_cast<Part&>(read).list;
    if (result != read.bytes) list.reader->has_failed_ = true;
    if (list.left.fetch_sub(1) == 1) list.reader->Next(list);
  }

  VolumeSource& engine_;
  const Arena& arena_;
  const Pattern& pattern_;
  std::vector<uint64_t> offsets_;
  std::vector<List> lists_;
  std::atomic<uint64_t> turn_ = 0;
  std::atomic<int64_t> to_begin_ = 0;
  std::atomic<uint32_t> lists_under_way_ = 0;
  std::atomic<bool> has_failed_ = false;
  std::binary_semaphore finished_{0};
};

constexpr std::array kEngines = {
    FileSourceOptions{.io = IoKind::kUring},
    FileSourceOptions{.io = IoKind::kThreads},
};
constexpr std::array kMemory = {HugePages::kHugetlb, HugePages::kThp, HugePages::kOff};

void ReadFile(benchmark::State& state, const Pattern& pattern) {
  const char* path = std::getenv("QUIRE_BENCH_FILE");
  if (path == nullptr) return state.SkipWithError("QUIRE_BENCH_FILE names no file");
  const auto file = File::Open(path, O_RDONLY);
  if (!file) return state.SkipWithError(file.error().message.c_str());
  const off_t file_bytes = lseek(file->fd(), 0, SEEK_END);
  if (file_bytes < static_cast<off_t>(kPageBytes)) return state.SkipWithError("the file is smaller than a page");
  const HugePages huge = kMemory[state.range(1)];
  const auto arena = Arena::Create(kSlots, huge);
  if (!arena) return state.SkipWithError(arena.error().message.c_str());
  if ((*arena)->PopulateAll() < kSlots) return state.SkipWithError("too little memory for the arena");
  const auto engine = OpenFileSource({file->fd()}, kEngines[state.range(0)]);
  if (!engine) return state.SkipWithError(engine.error().message.c_str());

  Reader reader(**engine, **arena, pattern, static_cast<uint64_t>(file_bytes));
  const double before = ProcessorSeconds();
  while (state.KeepRunning())
    if (!reader.Run()) return state.SkipWithError("a read failed");
  const double bytes = static_cast<double>(state.iterations()) * static_cast<double>(pattern.total);
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["cpu_s_per_GB"] = (ProcessorSeconds() - before) / (bytes / 1e9);
  state.SetLabel(fmt::format("{}; huge={}", (*engine)->Describe(), NameOf(kHugePagesNames, huge)));
}

void EveryEngineAndMemory(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"engine", "memory"})
      ->ArgsProduct({benchmark::CreateDenseRange(0, kEngines.size() - 1, 1),
                     benchmark::CreateDenseRange(0, kMemory.size() - 1, 1)})
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(ReadFile, pages_in_order, kPagesInOrder)->Apply(EveryEngineAndMemory);
BENCHMARK_CAPTURE(ReadFile, pages_in_order_deep, kPagesInOrderDeep)->Apply(EveryEngineAndMemory);
BENCHMARK_CAPTURE(ReadFile, random_128k, kRandom128k)->Apply(EveryEngineAndMemory);
BENCHMARK_CAPTURE(ReadFile, random_4k, kRandom4k)->Apply(EveryEngineAndMemory);

}  // namespace
}  // namespace quire

BENCHMARK_MAIN();
