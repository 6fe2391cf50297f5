// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/io_matrix.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "format/rounding.h"
#include "tools/bench/chart.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr std::array kSequentialBlocks = {4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, 1 * kMiB, 4 * kMiB};
constexpr std::array kRandomBlocks = {4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, 1 * kMiB};
constexpr uint64_t kRandomCount = 1000;
constexpr unsigned kMostRounds = 100;
constexpr uint64_t kSequentialMethodBlock = 1 * kMiB;  // large enough that calls cost little beside the bytes
constexpr uint64_t kRandomMethodBlock = 64 * kKiB;     // a small image: what loaders read at random
constexpr uint64_t kLargestWholeFile = 64 * kMiB;      // beyond it opening costs nothing that could be measured
// Of one sequential measurement: 65,536 requests of 4 KiB, and half a second of a disk of 2 GB/s.
constexpr uint64_t kSequentialBytes = 1024 * kMiB;

bool Fits(uint64_t block_bytes, const FileClass& file_class) {
  return block_bytes == kSequentialBlocks.front() || block_bytes <= file_class.median_bytes();
}

std::vector<IoRequest> PlanSequential(std::span<const IoFile> files, uint64_t block_bytes, std::mt19937_64& random) {
  std::vector<uint64_t> order = CountUp(files.size());
  std::ranges::shuffle(order, random);
  std::vector<IoRequest> requests;
  const uint64_t most = std::max<uint64_t>(1, kSequentialBytes / block_bytes);
  const auto add = [&](uint64_t file, uint64_t begin, uint64_t end) {
    for (uint64_t at = begin; at < end && requests.size() < most; at += block_bytes)
      requests.push_back({static_cast<uint32_t>(file), at, std::min(block_bytes, files[file].bytes - at)});
  };
  const uint64_t first_bytes = files[order[0]].bytes;
  const uint64_t first_blocks = CeilDiv(first_bytes, block_bytes);
  const uint64_t start = std::uniform_int_distribution<uint64_t>(0, first_blocks - 1)(random) * block_bytes;
  add(order[0], start, first_bytes);
  for (const uint64_t file : std::span(order).subspan(1)) add(file, 0, files[file].bytes);
  add(order[0], 0, start);
  return requests;
}

// `count` of the numbers below `range`, each once, in random order; all of them where that are fewer.
std::vector<uint64_t> DrawDistinct(uint64_t range, uint64_t count, std::mt19937_64& random) {
  std::vector<uint64_t> drawn;
  if (range <= 2 * count) {
    drawn = CountUp(range);
    std::ranges::shuffle(drawn, random);
    drawn.resize(std::min(range, count));
    return drawn;
  }
  std::unordered_set<uint64_t> seen;
  std::uniform_int_distribution<uint64_t> any(0, range - 1);
  while (drawn.size() < count)
    if (const uint64_t number = any(random); seen.insert(number).second) drawn.push_back(number);
  return drawn;
}

std::vector<IoRequest> PlanRandom(std::span<const IoFile> files, uint64_t block_bytes, uint64_t count,
                                  std::mt19937_64& random) {
  // Where the blocks of each file end in the row of all blocks; a file smaller than a block has one.
  std::vector<uint64_t> ends;
  for (const IoFile& file : files)
    ends.push_back((ends.empty() ? 0 : ends.back()) + std::max<uint64_t>(1, file.bytes / block_bytes));
  std::vector<IoRequest> requests;
  for (const uint64_t block : DrawDistinct(ends.back(), count, random)) {
    const auto file = static_cast<size_t>(std::ranges::upper_bound(ends, block) - ends.begin());
    const uint64_t offset = (block - (file == 0 ? 0 : ends[file - 1])) * block_bytes;
    requests.push_back({static_cast<uint32_t>(file), offset, std::min(block_bytes, files[file].bytes)});
  }
  return requests;
}

std::vector<IoRequest> PlanWholeFiles(std::span<const IoFile> files, std::mt19937_64& random) {
  std::vector<IoRequest> requests;
  for (uint32_t file = 0; file < files.size(); ++file)
    if (files[file].bytes <= kLargestWholeFile) requests.push_back({file, 0, files[file].bytes});
  std::ranges::shuffle(requests, random);
  return requests;
}

// A cached measurement reads twice: first to bring the bytes in.
unsigned Shares(const IoPoint& point) { return point.cached ? 2 : 1; }

// Experiments whose points are measured in turn.
bool AreOneGroup(IoExperiment a, IoExperiment b) {
  const auto group = [](IoExperiment of) { return of == IoExperiment::kRandom ? IoExperiment::kSequential : of; };
  return group(a) == group(b);
}

class Measurement {
 public:
  Measurement(std::span<const FileClass> classes, std::span<const IoPoint> points, const IoSettings& settings,
              const std::function<void(std::string)>& begin_step)
      : classes_(classes),
        settings_(settings),
        begin_step_(begin_step),
        random_(settings.seed),
        deadline_(NowSeconds() + settings.seconds) {
    for (const IoPoint& point : points)
      results_.push_back({.point = point, .file_class = classes[point.file_class].name});
  }

  Result<std::vector<IoResult>> Run() {
    for (size_t begin = 0; begin < results_.size();) {
      const IoExperiment experiment = results_[begin].point.experiment;
      size_t end = begin;
      while (end < results_.size() && AreOneGroup(results_[end].point.experiment, experiment)) ++end;
      if (auto done = RunGroup(begin, end); !done) return Propagate(std::move(done));
      begin = end;
    }
    for (IoResult& result : results_) {
      result.from = JudgeBytes(result.fetched, result.bytes, settings_.watch.in_memory());
      std::ranges::sort(result.latency_seconds);
    }
    return std::move(results_);
  }

 private:
  static uint64_t SharesOf(std::span<const IoResult> results) {
    uint64_t shares = 0;
    for (const IoResult& result : results) shares += Shares(result.point);
    return shares;
  }

  Result<void> RunGroup(size_t begin, size_t end) {
    const std::span<IoResult> group = std::span(results_).subspan(begin, end - begin);
    const auto shares = static_cast<double>(SharesOf(group));
    const double left = std::max(0.0, deadline_ - NowSeconds());
    const double group_end =
        NowSeconds() + left * shares / static_cast<double>(SharesOf(std::span(results_).subspan(begin)));
    double round_seconds = 0;
    for (unsigned round = 0; round < kMostRounds; ++round) {
      const double start = NowSeconds();
      // A further round than wanted is begun where it will end in time.
      if (round > 0 && start >= group_end) break;
      if (round >= settings_.rounds && start + round_seconds > group_end) break;
      const unsigned rounds_left = round < settings_.rounds ? settings_.rounds - round : 1;
      // All measurements of a round have the same time. What opening and evicting take beside is missing to the next.
      const double slice = std::max(0.0, group_end - start) / rounds_left / shares;
      if (auto done = RunRound(group, slice, round < settings_.rounds); !done) return done;
      round_seconds = NowSeconds() - start;
    }
    return {};
  }

  Result<void> RunRound(std::span<IoResult> group, double slice, bool is_wanted) {
    std::vector<uint64_t> order = CountUp(group.size());
    std::ranges::shuffle(order, random_);
    if (settings_.cold)
      if (auto dropped = DropCaches(settings_.watch.daemons()); !dropped) return dropped;
    for (const uint64_t i : order) {
      IoResult& result = group[i];
      const IoPoint& point = result.point;
      if (is_wanted)
        begin_step_(fmt::format("{}, {}", ExperimentName(point.experiment), classes_[point.file_class].name));
      auto figures = MeasureOnce(point, slice * Shares(point));
      if (!figures) return std::unexpected(figures.error());
      result.requests += figures->requests;
      result.bytes += figures->bytes;
      result.fetched = result.fetched + figures->fetched;
      result.bytes_per_second.push_back(static_cast<double>(figures->bytes) / figures->seconds);
      result.requests_per_second.push_back(static_cast<double>(figures->requests) / figures->seconds);
      result.latency_seconds.insert(result.latency_seconds.end(), figures->latency_seconds.begin(),
                                    figures->latency_seconds.end());
    }
    return {};
  }

  IoLimit Until(double end) const {
    return {.seconds = std::max(0.0, end - NowSeconds()), .interrupted = settings_.interrupted};
  }

  Result<IoFigures> MeasureOnce(const IoPoint& point, double seconds) {
    const double end = NowSeconds() + seconds;
    const std::vector<IoFile>& files = classes_[point.file_class].files;
    const std::vector<IoRequest> requests = PlanRequests(point, files, random_);
    std::span<const IoRequest> to_read = requests;
    if (point.cached) {
      // Brings into the cache what half of the time is enough for, and measures that.
      const auto warmed = Read(point, IoMethod::kRead, 1, requests, end - std::max(0.0, end - NowSeconds()) / 2);
      if (!warmed) return warmed;
      to_read = to_read.first(warmed->requests);
    } else if (auto emptied = Empty(point, files); !emptied) {
      return Propagate(std::move(emptied));
    }
    const StorageWatch::Mark before = settings_.watch.Now();
    auto figures = Read(point, point.method, point.depth, to_read, end);
    if (figures) figures->fetched = settings_.watch.Since(before).fetched;
    return figures;
  }

  // Where files are opened their names and attributes shall be as cold as their bytes, if that may be.
  Result<void> Empty(const IoPoint& point, std::span<const IoFile> files) const {
    if (settings_.cold && point.access == IoAccess::kWholeFiles) return DropCaches(settings_.watch.daemons());
    return Evict(files);
  }

  Result<IoFigures> Read(const IoPoint& point, IoMethod method, unsigned depth, std::span<const IoRequest> requests,
                         double end) const {
    const std::vector<IoFile>& files = classes_[point.file_class].files;
    if (point.access == IoAccess::kWholeFiles) return ReadWholeFiles(files, requests, depth, Until(end));
    const auto opened = OpenFiles::Open(files, method);
    if (!opened) return std::unexpected(opened.error());
    return ReadRequests(*opened, requests, depth, Until(end));
  }

  static Result<void> Evict(std::span<const IoFile> files) {
    for (const IoFile& file : files)
      if (auto evicted = EvictFile(file.path); !evicted) return evicted;
    return {};
  }

  const std::span<const FileClass> classes_;
  const IoSettings& settings_;
  const std::function<void(std::string)>& begin_step_;
  std::mt19937_64 random_;
  const double deadline_;
  std::vector<IoResult> results_;
};

void AddRandomReads(size_t random_class, std::span<const IoMethod> methods, std::vector<IoPoint>& points) {
  for (const uint64_t block_bytes : kRandomBlocks)
    points.push_back({.experiment = IoExperiment::kRandom,
                      .access = IoAccess::kRandom,
                      .file_class = random_class,
                      .block_bytes = block_bytes,
                      .requests = kRandomCount});
  for (const IoMethod method : methods)
    for (const unsigned depth : {1U, kMostDepth})
      for (const IoAccess access : {IoAccess::kSequential, IoAccess::kRandom})
        for (const bool cached : {false, true}) {
          // Many at a time: io_uring, and as many threads with read() beside it.
          if (depth > 1 && method != IoMethod::kUring && method != IoMethod::kRead) continue;
          // O_DIRECT goes around the cache: there is nothing cached to measure.
          if (cached && method == IoMethod::kDirect) continue;
          const bool sequential = access == IoAccess::kSequential;
          points.push_back({.experiment = IoExperiment::kMethods,
                            .method = method,
                            .access = access,
                            .cached = cached,
                            .file_class = random_class,
                            .block_bytes = sequential ? kSequentialMethodBlock : kRandomMethodBlock,
                            .requests = sequential ? 0 : kRandomCount,
                            .depth = depth});
        }
}

}  // namespace

const char* ExperimentName(IoExperiment experiment) {
  switch (experiment) {
    case IoExperiment::kSequential:
      return "sequential reads";
    case IoExperiment::kRandom:
      return "random reads";
    case IoExperiment::kMethods:
      return "methods";
    case IoExperiment::kWholeFiles:
      return "whole files";
    case IoExperiment::kThreads:
      return "threads";
  }
  return "";
}

const char* AccessName(IoAccess access) {
  switch (access) {
    case IoAccess::kSequential:
      return "sequential";
    case IoAccess::kRandom:
      return "random";
    case IoAccess::kWholeFiles:
      return "whole files";
  }
  return "";
}

std::optional<size_t> RandomClass(std::span<const FileClass> classes) {
  std::optional<size_t> best;
  for (size_t i = 0; i < classes.size(); ++i)
    if (Fits(kRandomBlocks.back(), classes[i]) && classes[i].bytes() >= kLeastRandomBytes &&
        (!best || classes[i].bytes() > classes[*best].bytes()))
      best = i;
  return best;
}

std::vector<unsigned> ThreadCounts(unsigned most) {
  std::vector<unsigned> counts;
  for (unsigned count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

std::vector<IoPoint> MakeMatrix(std::span<const FileClass> classes, std::span<const IoMethod> methods,
                                unsigned most_threads) {
  std::vector<IoPoint> points;
  for (size_t i = 0; i < classes.size(); ++i)
    for (const uint64_t block_bytes : kSequentialBlocks)
      if (Fits(block_bytes, classes[i]))
        points.push_back({.experiment = IoExperiment::kSequential, .file_class = i, .block_bytes = block_bytes});
  const auto random_class = RandomClass(classes);
  if (random_class) AddRandomReads(*random_class, methods, points);
  const auto add_whole_files = [&](IoExperiment experiment, size_t file_class, bool cached, unsigned threads) {
    points.push_back({.experiment = experiment,
                      .access = IoAccess::kWholeFiles,
                      .cached = cached,
                      .file_class = file_class,
                      .depth = threads});
  };
  const auto has_whole_files = [&](const FileClass& files) {
    return std::ranges::any_of(files.files, [](const IoFile& file) { return file.bytes <= kLargestWholeFile; });
  };
  for (size_t i = 0; i < classes.size(); ++i)
    if (has_whole_files(classes[i]))
      for (const bool cached : {false, true}) add_whole_files(IoExperiment::kWholeFiles, i, cached, 1);
  const auto most_files = static_cast<size_t>(
      std::ranges::max_element(classes, {}, [](const FileClass& files) { return files.files.size(); }) -
      classes.begin());
  for (const unsigned threads : ThreadCounts(most_threads)) {
    if (random_class)
      points.push_back({.experiment = IoExperiment::kThreads,
                        .access = IoAccess::kRandom,
                        .file_class = *random_class,
                        .block_bytes = kRandomMethodBlock,
                        .requests = 4 * kRandomCount,  // some hundreds for each of many threads
                        .depth = threads});
    else if (classes[most_files].files.size() >= most_threads && has_whole_files(classes[most_files]))
      add_whole_files(IoExperiment::kThreads, most_files, false, threads);
  }
  return points;
}

std::vector<IoRequest> PlanRequests(const IoPoint& point, std::span<const IoFile> files, std::mt19937_64& random) {
  switch (point.access) {
    case IoAccess::kSequential:
      return PlanSequential(files, point.block_bytes, random);
    case IoAccess::kRandom:
      return PlanRandom(files, point.block_bytes, point.requests, random);
    case IoAccess::kWholeFiles:
      return PlanWholeFiles(files, random);
  }
  return {};
}

Result<std::vector<IoResult>> MeasureMatrix(std::span<const FileClass> classes, std::span<const IoPoint> points,
                                            const IoSettings& settings,
                                            const std::function<void(std::string)>& begin_step) {
  return Measurement(classes, points, settings, begin_step).Run();
}

}  // namespace quire::bench
