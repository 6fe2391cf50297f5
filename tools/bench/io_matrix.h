// The experiment matrix of `quire bench io`: which points there are, what each reads, and their measurement.
#pragma once

#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/io_engine.h"
#include "tools/bench/io_files.h"
#include "tools/bench/statistics.h"
#include "tools/bench/storage_watch.h"

namespace quire::bench {

enum class IoExperiment : uint8_t { kSequential, kRandom, kMethods, kWholeFiles, kThreads };
const char* ExperimentName(IoExperiment experiment);

enum class IoAccess : uint8_t { kSequential, kRandom, kWholeFiles };
const char* AccessName(IoAccess access);

// One cell of the matrix.
struct IoPoint {
  IoExperiment experiment = IoExperiment::kSequential;
  IoMethod method = IoMethod::kRead;
  IoAccess access = IoAccess::kSequential;
  bool cached = false;       // read before, rather than evicted; whether that came true, IoResult::from tells
  size_t file_class = 0;     // in IoFiles::classes
  uint64_t block_bytes = 0;  // of a request; 0 for whole files
  uint64_t requests = 0;     // at most, in one repeat; 0: as many as the files have
  unsigned threads = 1;
};

// What a point measured.
struct IoResult {
  IoPoint point;
  std::string file_class = {};
  uint64_t requests = 0;  // of all repeats, like `bytes`
  uint64_t bytes = 0;
  Summary bytes_per_second = {};  // over the repeats
  Summary requests_per_second = {};
  std::vector<double> latency_seconds = {};  // of every request, ascending
  Fetched fetched = {.bytes = 0};            // from below, of all repeats
  ServedFrom from = ServedFrom::kUnknown;

  [[nodiscard]] double request_bytes() const { return static_cast<double>(bytes) / static_cast<double>(requests); }
};

// The class that random reads, methods and threads are measured on: of those with files of 1 MiB and more the one with
// most bytes, so that every block size fits; where there is none, that with the largest files.
size_t RandomClass(std::span<const FileClass> classes);

// 1, 2, 4 and so on up to `most`, and that itself.
std::vector<unsigned> ThreadCounts(unsigned most);

// Every point that makes sense: blocks that do not fit into a class's usual file are left out, but for the smallest.
std::vector<IoPoint> MakeMatrix(std::span<const FileClass> classes, std::span<const IoMethod> methods,
                                unsigned most_threads);

// The requests of one measurement of `point`. Sequential: block after block, file after file in random order, from a
// random block of the first one on. Random: whole blocks, none twice. Each list is drawn anew from `random`.
std::vector<IoRequest> PlanRequests(const IoPoint& point, std::span<const IoFile> files, std::mt19937_64& random);

struct IoSettings {
  unsigned repeats = 3;
  double seconds = 75;  // for all of the matrix
  bool cold = false;    // drop the machine's caches before each experiment
  uint64_t seed = 1;
  const StorageWatch& watch;  // of what is read
  const std::atomic<bool>* interrupted = nullptr;
};

// Measures every point `repeats` times, those of one experiment in a new random order for each repeat, so that a slow
// moment of the machine does not hit one point alone. When the time is spent further repeats are left out; each point
// has one at least. `begin_step` is told of each measurement. Fails with kInterrupted, or where a file cannot be read.
Result<std::vector<IoResult>> MeasureMatrix(std::span<const FileClass> classes, std::span<const IoPoint> points,
                                            const IoSettings& settings,
                                            const std::function<void(std::string)>& begin_step);

}  // namespace quire::bench
