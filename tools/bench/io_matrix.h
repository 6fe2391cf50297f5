// SPDX-License-Identifier: Apache-2.0
// The experiment matrix of `quire bench io`: which points there are, what each reads, and their measurement.
#pragma once

#include <functional>
#include <optional>
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
  uint64_t requests = 0;     // at most, in one round; 0: as many as the files have
  unsigned depth = 1;        // requests at a time: so many threads, or for kUring so many in flight of one
};

// What a point measured.
struct IoResult {
  IoPoint point;
  std::string file_class = {};
  uint64_t requests = 0;  // of all rounds, like `bytes`
  uint64_t bytes = 0;
  // Of each round. Points of one experiment, and sequential and random reads, were measured in turn in each.
  std::vector<double> bytes_per_second = {};
  std::vector<double> requests_per_second = {};
  std::vector<double> latency_seconds = {};  // of every request, ascending
  Fetched fetched = {.bytes = 0};            // from below, of all rounds
  ServedFrom from = ServedFrom::kUnknown;

  [[nodiscard]] double request_bytes() const { return static_cast<double>(bytes) / static_cast<double>(requests); }
};

// The class that random reads and methods are measured on: of those with files of 1 MiB and more, so that every block
// size fits, the one with most bytes. Empty where these are fewer than kLeastRandomBytes.
std::optional<size_t> RandomClass(std::span<const FileClass> classes);
inline constexpr uint64_t kLeastRandomBytes = 64ULL << 20;  // of which 1,000 blocks of 64 KiB can be read, none twice

// 1, 2, 4 and so on up to `most`, and that itself.
std::vector<unsigned> ThreadCounts(unsigned most);

// Every point that makes sense: blocks that do not fit into a class's usual file are left out, but for the smallest.
std::vector<IoPoint> MakeMatrix(std::span<const FileClass> classes, std::span<const IoMethod> methods,
                                unsigned most_threads);

// The requests of one measurement of `point`. Sequential: block after block, file after file in random order, from a
// random block of the first one on. Random: whole blocks, none twice. Each list is drawn anew from `random`.
std::vector<IoRequest> PlanRequests(const IoPoint& point, std::span<const IoFile> files, std::mt19937_64& random);

struct IoSettings {
  unsigned rounds = 7;
  double seconds = 75;  // for all of the matrix
  bool cold = false;    // drop the machine's caches before each round, and before whole files are read each time
  uint64_t seed = 1;
  const StorageWatch& watch;  // of what is read
  const std::atomic<bool>* interrupted = nullptr;
};

// Measures every point in rounds, those of one experiment in a new random order in each, so that a slow moment of the
// machine does not hit one point alone; sequential and random reads are one experiment there. Each experiment has its
// share of the time: what is too small for it is measured in more rounds than `rounds`, and where that is not enough
// there are fewer, one at least. A round that was begun is ended. `begin_step` is told of each measurement of the
// wanted rounds. Fails with kInterrupted, or where a file cannot be read.
Result<std::vector<IoResult>> MeasureMatrix(std::span<const FileClass> classes, std::span<const IoPoint> points,
                                            const IoSettings& settings,
                                            const std::function<void(std::string)>& begin_step);

}  // namespace quire::bench
