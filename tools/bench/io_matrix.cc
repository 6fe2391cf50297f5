#include "tools/bench/io_matrix.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "tools/bench/chart.h"
#include "tools/bench/sample_store.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr std::array kSequentialBlocks = {4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, 1 * kMiB, 4 * kMiB};
constexpr std::array kRandomBlocks = {4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, 1 * kMiB};
constexpr std::array<uint64_t, 2> kRandomCounts = {100, 1000};
constexpr uint64_t kSequentialMethodBlock = 1 * kMiB;  // large enough that calls cost little beside the bytes
constexpr uint64_t kRandomMethodBlock = 64 * kKiB;     // a small image: what loaders read at random
constexpr uint64_t kLargestWholeFile = 64 * kMiB;      // beyond it opening costs nothing that could be measured
// Of one sequential measurement: 65,536 requests of 4 KiB, and half a second of a disk of 2 GB/s.
constexpr uint64_t kSequentialBytes = 1024 * kMiB;

bool Fits(uint64_t block_bytes, const FileClass& file_class) {
  return block_bytes == kSequentialBlocks.front() || block_bytes <= file_class.median_bytes();
}

// The largest block up to `block_bytes` that fits.
uint64_t LargestFitting(uint64_t block_bytes, const FileClass& file_class) {
  while (!Fits(block_bytes, file_class)) block_bytes /= 4;
  return block_bytes;
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
  const uint64_t first_blocks = (first_bytes + block_bytes - 1) / block_bytes;
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

// The figures of a point while its repeats come in.
struct Measured {
  IoResult result;
  std::vector<double> bytes_per_second = {};
  std::vector<double> requests_per_second = {};

  void Add(const IoFigures& figures) {
    result.fetched = result.fetched + figures.fetched;
    result.requests += figures.requests;
    result.bytes += figures.bytes;
    bytes_per_second.push_back(static_cast<double>(figures.bytes) / figures.seconds);
    requests_per_second.push_back(static_cast<double>(figures.requests) / figures.seconds);
    result.latency_seconds.insert(result.latency_seconds.end(), figures.latency_seconds.begin(),
                                  figures.latency_seconds.end());
  }

  IoResult Finish(bool in_memory) {
    result.from = JudgeBytes(result.fetched, result.bytes, in_memory);
    result.bytes_per_second = Summarize(bytes_per_second);
    result.requests_per_second = Summarize(requests_per_second);
    std::ranges::sort(result.latency_seconds);
    return std::move(result);
  }
};

// A cached measurement reads twice: first to bring the bytes in.
unsigned Shares(const IoPoint& point) { return point.cached ? 2 : 1; }

class Measurement {
 public:
  Measurement(std::span<const FileClass> classes, std::span<const IoPoint> points, const IoSettings& settings,
              const std::function<void(std::string)>& begin_step)
      : classes_(classes),
        settings_(settings),
        begin_step_(begin_step),
        random_(settings.seed),
        deadline_(NowSeconds() + settings.seconds) {
    for (const IoPoint& point : points) {
      measured_.push_back({.result = {.point = point, .file_class = classes[point.file_class].name}});
      shares_left_ += static_cast<uint64_t>(Shares(point)) * settings.repeats;
    }
  }

  Result<std::vector<IoResult>> Run() {
    for (size_t begin = 0; begin < measured_.size();) {
      const IoExperiment experiment = measured_[begin].result.point.experiment;
      size_t end = begin;
      while (end < measured_.size() && measured_[end].result.point.experiment == experiment) ++end;
      if (settings_.cold)
        if (auto dropped = DropCaches(settings_.watch.daemons()); !dropped) return Propagate(std::move(dropped));
      if (auto done = RunExperiment(std::span(measured_).subspan(begin, end - begin)); !done)
        return Propagate(std::move(done));
      begin = end;
    }
    std::vector<IoResult> results;
    results.reserve(measured_.size());
    for (Measured& measured : measured_) results.push_back(measured.Finish(settings_.watch.in_memory()));
    return results;
  }

 private:
  Result<void> RunExperiment(std::span<Measured> experiment) {
    std::vector<uint64_t> order = CountUp(experiment.size());
    for (unsigned repeat = 0; repeat < settings_.repeats; ++repeat) {
      std::ranges::shuffle(order, random_);
      for (const uint64_t i : order) {
        const IoPoint& point = experiment[i].result.point;
        const bool time_left = NowSeconds() < deadline_;
        begin_step_(fmt::format("{}, {}", ExperimentName(point.experiment), classes_[point.file_class].name));
        if (repeat == 0 || time_left) {
          const auto figures = MeasureOnce(point);
          if (!figures) return std::unexpected(figures.error());
          experiment[i].Add(*figures);
        }
        shares_left_ -= Shares(point);
      }
    }
    return {};
  }

  // The end of the next measurement. The time that is left is divided anew before each: what one does not need goes to
  // the others, and what opening and evicting take is of its own share.
  double EndOfSlice(const IoPoint& point) const {
    const double now = NowSeconds();
    return now + std::max(0.0, deadline_ - now) * Shares(point) / static_cast<double>(shares_left_);
  }

  IoLimit Until(double end) const {
    return {.seconds = std::max(0.0, end - NowSeconds()), .interrupted = settings_.interrupted};
  }

  Result<IoFigures> MeasureOnce(const IoPoint& point) {
    const double end = EndOfSlice(point);
    const std::vector<IoFile>& files = classes_[point.file_class].files;
    const std::vector<IoRequest> requests = PlanRequests(point, files, random_);
    std::span<const IoRequest> to_read = requests;
    if (!point.cached) {
      if (auto evicted = Evict(files); !evicted) return Propagate(std::move(evicted));
    } else {
      // Brings into the cache what half of the time is enough for, and measures that.
      const auto warmed = Read(point, IoMethod::kRead, 1, requests, end - std::max(0.0, end - NowSeconds()) / 2);
      if (!warmed) return warmed;
      to_read = to_read.first(warmed->requests);
    }
    const StorageWatch::Mark before = settings_.watch.Now();
    auto figures = Read(point, point.method, point.threads, to_read, end);
    if (figures) figures->fetched = settings_.watch.Since(before).fetched;
    return figures;
  }

  Result<IoFigures> Read(const IoPoint& point, IoMethod method, unsigned threads, std::span<const IoRequest> requests,
                         double end) const {
    const std::vector<IoFile>& files = classes_[point.file_class].files;
    if (point.access == IoAccess::kWholeFiles) return ReadWholeFiles(files, requests, threads, Until(end));
    const auto opened = OpenFiles::Open(files, method);
    if (!opened) return std::unexpected(opened.error());
    return ReadRequests(*opened, requests, threads, Until(end));
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
  uint64_t shares_left_ = 0;
  std::vector<Measured> measured_;
};

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

size_t RandomClass(std::span<const FileClass> classes) {
  size_t best = classes.size() - 1;
  for (size_t i = 0; i + 1 < classes.size(); ++i)
    if (Fits(kRandomBlocks.back(), classes[i]) && classes[i].bytes() > classes[best].bytes()) best = i;
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
  const size_t random_class = RandomClass(classes);
  const FileClass& files = classes[random_class];
  for (const uint64_t block_bytes : kRandomBlocks)
    for (const uint64_t count : kRandomCounts)
      if (Fits(block_bytes, files))
        points.push_back({.experiment = IoExperiment::kRandom,
                          .access = IoAccess::kRandom,
                          .file_class = random_class,
                          .block_bytes = block_bytes,
                          .requests = count});
  for (const IoMethod method : methods)
    for (const IoAccess access : {IoAccess::kSequential, IoAccess::kRandom})
      for (const bool cached : {false, true}) {
        const bool sequential = access == IoAccess::kSequential;
        // O_DIRECT goes around the cache: there is nothing cached to measure.
        if (cached && method == IoMethod::kDirect) continue;
        points.push_back(
            {.experiment = IoExperiment::kMethods,
             .method = method,
             .access = access,
             .cached = cached,
             .file_class = random_class,
             .block_bytes = LargestFitting(sequential ? kSequentialMethodBlock : kRandomMethodBlock, files),
             .requests = sequential ? 0 : kRandomCounts.back()});
      }
  const auto add_whole_files = [&](IoExperiment experiment, size_t file_class, bool cached, unsigned threads) {
    points.push_back({.experiment = experiment,
                      .access = IoAccess::kWholeFiles,
                      .cached = cached,
                      .file_class = file_class,
                      .threads = threads});
  };
  for (size_t i = 0; i < classes.size(); ++i)
    if (std::ranges::any_of(classes[i].files, [](const IoFile& file) { return file.bytes <= kLargestWholeFile; }))
      for (const bool cached : {false, true}) add_whole_files(IoExperiment::kWholeFiles, i, cached, 1);
  for (const unsigned threads : ThreadCounts(most_threads)) {
    if (Fits(kRandomMethodBlock, files))
      points.push_back({.experiment = IoExperiment::kThreads,
                        .access = IoAccess::kRandom,
                        .file_class = random_class,
                        .block_bytes = kRandomMethodBlock,
                        .requests = 4 * kRandomCounts.back(),  // some hundreds for each of many threads
                        .threads = threads});
    else
      add_whole_files(IoExperiment::kThreads, random_class, false, threads);
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
