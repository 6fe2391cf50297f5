// SPDX-License-Identifier: Apache-2.0
// Goal: `quire bench io` reads what it plans, plans what makes sense, and says of its figures what they show.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "format/coding.h"
#include "tests/support/memory_tree.h"
#include "tools/bench/io_insights.h"
#include "tools/bench/io_report.h"
#include "tools/bench/system_counters.h"

namespace quire::bench {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr std::atomic<bool> kNotInterrupted = false;
const IoLimit kNoLimit = {.seconds = 1000, .interrupted = &kNotInterrupted};

IoFile MakeFile(const TemporaryFolder& folder, const std::string& name, uint64_t bytes) {
  WriteFile(folder / name, Noise(bytes, bytes));
  return {folder / name, bytes};
}

FileClass ClassOf(const std::vector<uint64_t>& sizes) {
  FileClass file_class = {.name = "made up"};
  for (const uint64_t bytes : sizes) file_class.files.push_back({fmt::format("{}", bytes), bytes});
  return file_class;
}

std::set<uint64_t> BlocksOf(const std::vector<IoPoint>& points, IoExperiment experiment, size_t file_class) {
  std::set<uint64_t> blocks;
  for (const IoPoint& point : points)
    if (point.experiment == experiment && point.file_class == file_class) blocks.insert(point.block_bytes);
  return blocks;
}

// Which files.

TEST(IoFiles, AreSortedIntoTheirSizeClasses) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "below");
  MakeFile(folder, "small", 1);
  MakeFile(folder, "below/just small", 16 * kKiB);
  MakeFile(folder, "below/medium", 16 * kKiB + 1);
  MakeFile(folder, "empty", 0);
  std::filesystem::create_symlink("small", folder / "symlink");
  const IoFiles found = ValueOrDie(FindIoFiles(folder.path(), 1));
  ASSERT_EQ(found.classes.size(), 2U);
  EXPECT_EQ(found.classes[0].name, "up to 16 KiB");
  EXPECT_EQ(found.classes[0].files_found, 2U);
  EXPECT_EQ(found.classes[0].bytes(), 16 * kKiB + 1);
  EXPECT_EQ(found.classes[1].files.front().path, folder / "below/medium");
  EXPECT_TRUE(found.complete);
}

TEST(IoFiles, AreTheSameForTheSameSeed) {
  const TemporaryFolder folder;
  for (int i = 0; i < 50; ++i) MakeFile(folder, fmt::format("{}", i), 100);
  const auto first_with = [&](uint64_t seed) {
    const IoFiles found = ValueOrDie(FindIoFiles(folder.path(), seed, {.files_per_class = 10}));
    std::string names;
    for (const IoFile& file : found.classes[0].files) names += file.path;
    return names;
  };
  EXPECT_EQ(first_with(1), first_with(1));
  EXPECT_NE(first_with(1), first_with(2));
}

TEST(IoFiles, StayWithinTheirLimits) {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i) MakeFile(folder, fmt::format("{}", i), 1000);
  EXPECT_EQ(ValueOrDie(FindIoFiles(folder.path(), 1, {.files_per_class = 7})).classes[0].files.size(), 7U);
  EXPECT_EQ(ValueOrDie(FindIoFiles(folder.path(), 1, {.bytes_per_class = 2500})).classes[0].files.size(), 3U);
  const IoFiles cut = ValueOrDie(FindIoFiles(folder.path(), 1, {.entries_looked_at = 5}));
  EXPECT_EQ(cut.classes[0].files_found, 5U);
  EXPECT_FALSE(cut.complete);
}

TEST(IoFiles, AreRefusedWhereThereIsNothingToRead) {
  const TemporaryFolder folder;
  EXPECT_NE(FindIoFiles(folder / "none", 1).error().message.find(folder / "none"), std::string::npos);
  EXPECT_EQ(FindIoFiles(folder.path(), 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(FindIoFiles(MakeFile(folder, "empty", 0).path, 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(FindIoFiles("/dev/null", 1).error().code, ErrorCode::kUnsupported);
}

// Which points.

TEST(IoMatrix, LeavesOutBlocksThatFilesDoNotFill) {
  const std::vector classes = {ClassOf({3000, 3000}), ClassOf({100 * kKiB, 70 * kKiB, 20 * kKiB}), ClassOf({5 * kMiB})};
  const auto points = MakeMatrix(classes, {}, 4);
  EXPECT_EQ(BlocksOf(points, IoExperiment::kSequential, 0), (std::set{4 * kKiB}));
  EXPECT_EQ(BlocksOf(points, IoExperiment::kSequential, 1), (std::set{4 * kKiB, 16 * kKiB, 64 * kKiB}));
  EXPECT_EQ(BlocksOf(points, IoExperiment::kSequential, 2).size(), 6U);
}

TEST(IoMatrix, ReadsAtRandomWhereThereIsMostToRead) {
  EXPECT_EQ(RandomClass(std::vector{ClassOf({90 * kMiB, 90 * kMiB}), ClassOf({170 * kMiB})}), 0U);
  EXPECT_EQ(RandomClass(std::vector{ClassOf({90 * kMiB}), ClassOf({170 * kMiB})}), 1U);
  // Not among files too small for the larger blocks, however many they are.
  EXPECT_EQ(RandomClass(std::vector{ClassOf(std::vector<uint64_t>(100, 900 * kKiB)), ClassOf({65 * kMiB})}), 1U);
}

TEST(IoMatrix, ReadsNothingAtRandomWhereThereIsTooLittle) {
  const std::vector classes = {ClassOf(std::vector<uint64_t>(50, 3000)), ClassOf({2400 * kKiB})};
  EXPECT_FALSE(RandomClass(classes).has_value());
  for (const IoPoint& point : MakeMatrix(classes, std::vector{IoMethod::kRead, IoMethod::kMmap}, 4)) {
    EXPECT_NE(point.access, IoAccess::kRandom);
    EXPECT_NE(point.experiment, IoExperiment::kMethods);
    if (point.experiment == IoExperiment::kThreads) {
      EXPECT_EQ(point.file_class, 0U);  // of whole files there are more
    }
  }
}

TEST(IoMatrix, ComparesAsManyRequestsAtATime) {
  const std::vector classes = {ClassOf({kLeastRandomBytes})};
  std::map<std::pair<IoMethod, unsigned>, int> count;
  for (const IoPoint& point : MakeMatrix(classes, std::vector{IoMethod::kRead, IoMethod::kUring, IoMethod::kMmap}, 1))
    if (point.experiment == IoExperiment::kMethods) ++count[{point.method, point.depth}];
  const std::map<std::pair<IoMethod, unsigned>, int> wanted = {{{IoMethod::kRead, 1U}, 4},
                                                               {{IoMethod::kRead, kMostDepth}, 4},
                                                               {{IoMethod::kMmap, 1U}, 4},
                                                               {{IoMethod::kUring, 1U}, 4},
                                                               {{IoMethod::kUring, kMostDepth}, 4}};
  EXPECT_EQ(count, wanted);
}

TEST(IoMatrix, KnowsNothingCachedWithODirect) {
  const std::vector classes = {ClassOf({kLeastRandomBytes})};
  const std::vector methods = {IoMethod::kMmap, IoMethod::kDirect};
  std::map<std::pair<IoMethod, bool>, int> count;
  for (const IoPoint& point : MakeMatrix(classes, methods, 1))
    if (point.experiment == IoExperiment::kMethods) ++count[{point.method, point.cached}];
  EXPECT_EQ((count[{IoMethod::kMmap, true}]), 2);
  EXPECT_EQ((count[{IoMethod::kDirect, false}]), 2);
  EXPECT_EQ((count[{IoMethod::kDirect, true}]), 0);
}

TEST(IoMatrix, DoublesThreadsUpToTheMost) {
  EXPECT_EQ(ThreadCounts(1), (std::vector{1U}));
  EXPECT_EQ(ThreadCounts(6), (std::vector{1U, 2U, 4U, 6U}));
  EXPECT_EQ(ThreadCounts(8), (std::vector{1U, 2U, 4U, 8U}));
}

// Which requests.

TEST(IoPlan, SequentialReadsCoverEveryByteOnce) {
  const FileClass file_class = ClassOf({10'000, 4096, 100'000});
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    std::map<uint32_t, std::map<uint64_t, uint64_t>> ends;
    for (const IoRequest& request : PlanRequests({.block_bytes = 4 * kKiB}, file_class.files, random)) {
      EXPECT_EQ(request.offset % 4096, 0U);
      EXPECT_TRUE(ends[request.file].emplace(request.offset, request.offset + request.bytes).second);
    }
    for (uint32_t file = 0; file < file_class.files.size(); ++file) {
      uint64_t at = 0;
      for (const auto& [begin, end] : ends[file]) EXPECT_EQ(std::exchange(at, end), begin);
      EXPECT_EQ(at, file_class.files[file].bytes);
    }
  }
}

TEST(IoPlan, RandomReadsAreWholeBlocksAndNeverTheSame) {
  const FileClass file_class = ClassOf({1 * kMiB + 5, 3 * kMiB, 300});
  std::mt19937_64 random(1);
  for (const uint64_t count : {10U, 60U, 1000U}) {
    const IoPoint point = {.access = IoAccess::kRandom, .block_bytes = 64 * kKiB, .requests = count};
    std::set<std::pair<uint32_t, uint64_t>> seen;
    const auto requests = PlanRequests(point, file_class.files, random);
    EXPECT_EQ(requests.size(), std::min<uint64_t>(count, 16 + 48 + 1));
    for (const IoRequest& request : requests) {
      EXPECT_TRUE(seen.emplace(request.file, request.offset).second);
      EXPECT_EQ(request.bytes, request.file == 2 ? 300 : 64 * kKiB);
      EXPECT_LE(request.offset + request.bytes, file_class.files[request.file].bytes);
    }
  }
}

TEST(IoPlan, WholeFilesAreReadOnceEach) {
  const FileClass file_class = ClassOf({100, 200, 300});
  std::mt19937_64 random(1);
  std::set<uint64_t> sizes;
  for (const IoRequest& request : PlanRequests({.access = IoAccess::kWholeFiles}, file_class.files, random))
    sizes.insert(request.bytes);
  EXPECT_EQ(sizes, (std::set<uint64_t>{100, 200, 300}));
}

// Reading.

class IoEngine : public testing::TestWithParam<IoMethod> {
 protected:
  IoEngine() : file_(MakeFile(folder_, "file", 1'000'001)) {
    for (uint64_t at = 0; at < file_.bytes; at += 16 * kKiB)
      requests_.push_back({0, at, std::min(16 * kKiB, file_.bytes - at)});
    if (const auto why_not = WhyNotMethod(GetParam(), file_)) skip_reason_ = *why_not;
  }

  void SetUp() override {
    if (!skip_reason_.empty()) GTEST_SKIP() << skip_reason_;
  }

  OpenFiles Open() { return ValueOrDie(OpenFiles::Open({&file_, 1}, GetParam())); }

  const TemporaryFolder folder_;
  const IoFile file_;
  std::vector<IoRequest> requests_;
  std::string skip_reason_;
};

TEST_P(IoEngine, ReadsEveryRequest) {
  const auto figures = ValueOrDie(ReadRequests(Open(), requests_, 1, kNoLimit));
  EXPECT_EQ(figures.requests, requests_.size());
  EXPECT_EQ(figures.bytes, file_.bytes);
  EXPECT_EQ(figures.latency_seconds.size(), requests_.size());
  EXPECT_GT(figures.seconds, 0);
  EXPECT_GT(std::ranges::min(figures.latency_seconds), 0);
  EXPECT_LE(std::ranges::max(figures.latency_seconds), figures.seconds);
}

TEST_P(IoEngine, ReadsTheRightBytesOneAndManyAtATime) {
  const std::string content = ReadFile(file_.path);
  for (const unsigned depth : {1U, 16U}) {
    std::atomic<uint64_t> right = 0;
    IoLimit limit = kNoLimit;
    limit.on_read = [&](const IoRequest& request, std::span<const std::byte> bytes) {
      if (content.compare(request.offset, request.bytes, AsText(bytes)) == 0) ++right;
    };
    const auto figures = ValueOrDie(ReadRequests(Open(), requests_, depth, limit));
    EXPECT_EQ(right, requests_.size());
    EXPECT_EQ(figures.requests, requests_.size());
    EXPECT_EQ(figures.bytes, file_.bytes);
    EXPECT_EQ(figures.latency_seconds.size(), requests_.size());
  }
}

TEST_P(IoEngine, ReadsAtLeastOneRequestAndStopsInTime) {
  const auto figures = ValueOrDie(ReadRequests(Open(), requests_, 1, {.seconds = 0, .interrupted = &kNotInterrupted}));
  EXPECT_GE(figures.requests, 1U);
  EXPECT_EQ(figures.requests, 1U);
}

TEST_P(IoEngine, StopsWhenInterrupted) {
  const std::atomic<bool> interrupted = true;
  const auto figures = ReadRequests(Open(), requests_, 1, {.seconds = 1000, .interrupted = &interrupted});
  ASSERT_FALSE(figures.has_value());
  EXPECT_EQ(figures.error().code, ErrorCode::kInterrupted);
}

TEST_P(IoEngine, NamesAFileThatBecameShorter) {
  const IoFile longer = {file_.path, file_.bytes + 1};
  EXPECT_NE(OpenFiles::Open({&longer, 1}, GetParam()).error().message.find(file_.path), std::string::npos);
  if (GetParam() == IoMethod::kMmap) return;  // the test below
  const OpenFiles files = Open();
  ASSERT_EQ(truncate(file_.path.c_str(), 500'000), 0);
  const auto figures = ReadRequests(files, requests_, 1, kNoLimit);
  ASSERT_FALSE(figures.has_value());
  EXPECT_NE(figures.error().message.find(file_.path), std::string::npos);
}

std::string MethodTestName(const testing::TestParamInfo<IoMethod>& method) {
  static constexpr std::array kNames = {"Read", "Mmap", "Direct", "Uring"};
  return kNames[static_cast<size_t>(method.param)];
}
INSTANTIATE_TEST_SUITE_P(Methods, IoEngine,
                         testing::Values(IoMethod::kRead, IoMethod::kMmap, IoMethod::kDirect, IoMethod::kUring),
                         MethodTestName);
TEST(IoEngineDeathTest, AMappedFileThatBecameShorterEndsWithAMessage) {
  const TemporaryFolder folder;
  const IoFile file = MakeFile(folder, "file", 1'000'000);
  const auto read_behind_the_end = [&] {
    const auto files = ValueOrDie(OpenFiles::Open({&file, 1}, IoMethod::kMmap));
    if (truncate(file.path.c_str(), 0) != 0) return;
    [[maybe_unused]] const auto never = ReadRequests(files, std::vector<IoRequest>{{0, 4096, 4096}}, 1, kNoLimit);
  };
  EXPECT_EXIT(read_behind_the_end(), testing::ExitedWithCode(EXIT_FAILURE), "truncated");
}

TEST(IoEngineThreads, ReadAtTheSameTime) {
  const TemporaryFolder folder;
  const IoFile file = MakeFile(folder, "file", 1 * kMiB);
  const std::vector<IoRequest> requests(4000, {0, 0, 1 * kMiB});
  const auto files = ValueOrDie(OpenFiles::Open({&file, 1}, IoMethod::kRead));
  const auto figures = ValueOrDie(ReadRequests(files, requests, 4, {.seconds = 2, .interrupted = &kNotInterrupted}));
  EXPECT_EQ(figures.bytes, figures.requests * kMiB);
  EXPECT_EQ(figures.latency_seconds.size(), figures.requests);
  // Each is always in one of its reads: one thread alone could not be so for longer than the time that went by.
  const double in_reads = std::reduce(figures.latency_seconds.begin(), figures.latency_seconds.end());
  EXPECT_GT(in_reads, 2 * figures.seconds);
  EXPECT_LE(in_reads, 4.01 * figures.seconds);
}

TEST(IoEngineThreads, TheirTimeIsNotThatOfStartingThem) {
  const TemporaryFolder folder;
  const IoFile file = MakeFile(folder, "file", 4096);
  const auto files = ValueOrDie(OpenFiles::Open({&file, 1}, IoMethod::kRead));
  // Starting 64 threads takes a millisecond or more, 64 cached reads some microseconds each. If starting counted, no
  // attempt would come below half; if it does not, a loaded machine can only spoil some of them.
  bool is_apart = false;
  for (int attempt = 0; attempt < 100 && !is_apart; ++attempt) {
    const double start = NowSeconds();
    const auto figures = ValueOrDie(ReadRequests(files, std::vector<IoRequest>(64, {0, 0, 4096}), 64, kNoLimit));
    ASSERT_GT(figures.seconds, 0);
    is_apart = figures.seconds < (NowSeconds() - start) / 2;
  }
  EXPECT_TRUE(is_apart);
}

TEST(IoEngineWholeFiles, AreReadInPiecesWhenTheyAreLarge) {
  const TemporaryFolder folder;
  const std::vector<IoFile> files = {MakeFile(folder, "a", 9 * kMiB + 5)};
  const std::vector<IoRequest> requests = {{0, 0, files[0].bytes}};
  EXPECT_EQ(ValueOrDie(ReadWholeFiles(files, requests, 1, kNoLimit)).bytes, files[0].bytes);
  const std::vector<IoFile> longer = {{files[0].path, files[0].bytes + 1}};
  EXPECT_FALSE(ReadWholeFiles(longer, std::vector<IoRequest>{{0, 0, longer[0].bytes}}, 1, kNoLimit).has_value());
}

TEST(IoEngineWholeFiles, AreOpenedForEachRequest) {
  const TemporaryFolder folder;
  const std::vector<IoFile> files = {MakeFile(folder, "a", 1000), MakeFile(folder, "b", 2000)};
  const std::vector<IoRequest> requests = {{1, 0, 2000}, {0, 0, 1000}};
  EXPECT_EQ(ValueOrDie(ReadWholeFiles(files, requests, 1, kNoLimit)).bytes, 3000U);
  std::filesystem::remove(files[0].path);
  EXPECT_NE(ReadWholeFiles(files, requests, 1, kNoLimit).error().message.find(files[0].path), std::string::npos);
}

// Measuring.

class IoMeasurement : public testing::Test {
 protected:
  IoMeasurement() {
    MakeFile(folder_, "small", 3000);
    MakeFile(folder_, "large", kLeastRandomBytes);
    classes_ = ValueOrDie(FindIoFiles(folder_.path(), 1)).classes;
    points_ = MakeMatrix(classes_, std::vector{IoMethod::kRead, IoMethod::kMmap}, 2);
  }

  std::vector<IoResult> Measure(unsigned rounds, double seconds) {
    const IoSettings settings = {
        .rounds = rounds, .seconds = seconds, .watch = watch_, .interrupted = &kNotInterrupted};
    return ValueOrDie(MeasureMatrix(classes_, points_, settings, [this](const std::string&) { ++steps_; }));
  }

  const TemporaryFolder folder_;
  std::vector<FileClass> classes_;
  std::vector<IoPoint> points_;
  const StorageWatch watch_ = StorageWatch::Of(folder_.path());
  size_t steps_ = 0;
};

TEST(IoMeasurementOfLittle, UsesItsTimeInMoreRounds) {
  const TemporaryFolder folder;
  MakeFile(folder, "small", 3000);
  const auto classes = ValueOrDie(FindIoFiles(folder.path(), 1)).classes;
  const auto points = MakeMatrix(classes, std::vector{IoMethod::kRead}, 1);
  const auto watch = StorageWatch::Of(folder.path());
  const double start = NowSeconds();
  const auto results = ValueOrDie(MeasureMatrix(
      classes, points, {.rounds = 3, .seconds = 60, .watch = watch, .interrupted = &kNotInterrupted}, [](auto) {}));
  EXPECT_LT(NowSeconds() - start, 60);
  // A file of 3 KB takes no time: it is read again until there are rounds enough for anything.
  for (const IoResult& result : results) {
    EXPECT_EQ(result.bytes_per_second.size(), 100U);
    EXPECT_EQ(result.from, ServedFrom::kMemory);  // a TemporaryFolder lies there
  }
}

TEST_F(IoMeasurement, MeasuresWhatIsComparedInTheSameRounds) {
  const auto results = Measure(3, 3);
  ASSERT_EQ(results.size(), points_.size());
  for (const IoResult& result : results) {
    EXPECT_EQ(result.latency_seconds.size(), result.requests);
    EXPECT_TRUE(std::ranges::is_sorted(result.latency_seconds));
  }
  const auto rounds_of = [&](IoExperiment experiment) {
    std::set<size_t> rounds;
    for (const IoResult* const result : OfExperiment(results, experiment))
      rounds.insert(result->bytes_per_second.size());
    return rounds;
  };
  EXPECT_EQ(rounds_of(IoExperiment::kSequential).size(), 1U);
  EXPECT_EQ(rounds_of(IoExperiment::kSequential), rounds_of(IoExperiment::kRandom));
  EXPECT_EQ(rounds_of(IoExperiment::kMethods).size(), 1U);
}

TEST_F(IoMeasurement, MeasuresEveryPointOnceWhenTheTimeIsSpent) {
  for (const IoResult& result : Measure(3, 0)) EXPECT_EQ(result.bytes_per_second.size(), 1U);
}

TEST(ScratchFileTest, LiesOnTheStorageThatIsMeasuredAndGoesAway) {
  const TemporaryFolder folder;
  std::string path;
  {
    const ScratchFile scratch = ValueOrDie(ScratchFile::Make(folder.path(), folder.path(), 3 * kMiB + 7));
    path = scratch.file().path;
    EXPECT_EQ(std::filesystem::file_size(path), 3 * kMiB + 7);
    const std::string bytes = ReadFile(path);
    EXPECT_NE(bytes.substr(0, kMiB), bytes.substr(kMiB, kMiB));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_NE(ScratchFile::Make("/proc", folder.path(), 1).error().message.find("another file system"),
            std::string::npos);
}

TEST_F(IoMeasurement, FillsJsonTablesAndCharts) {
  const auto results = Measure(1, 1);
  const auto objects = IoResultObjects(results);
  EXPECT_EQ(objects.front().begin().key(), "experiment");
  for (const auto& object : objects)
    for (const auto& value : object) EXPECT_TRUE(value.is_primitive());
  const auto charts = IoCharts(results);
  EXPECT_EQ(charts.size(), 7U);
  for (const Chart& chart : charts) {
    EXPECT_FALSE(chart.series.empty()) << chart.title;
    for (const Series& series : chart.series) {
      if (chart.kind == ChartKind::kBars) {
        EXPECT_EQ(series.values.size(), chart.categories.size()) << chart.title;
      }
      EXPECT_TRUE(std::ranges::is_sorted(series.points)) << chart.title;
    }
  }
  for (const Table& table : IoTables(results)) {
    EXPECT_FALSE(table.rows.empty()) << table.title;
    for (const auto& row : table.rows) EXPECT_EQ(row.size(), table.header.size()) << table.title;
  }
}

// What the figures say. A made-up result of rounds with `rates` bytes a second.
IoResult Made(const IoPoint& point, const std::vector<double>& rates, double request_bytes = 4096) {
  IoResult result = {.point = point, .file_class = "made up", .from = ServedFrom::kBelow};
  result.requests = 1000;
  result.bytes = static_cast<uint64_t>(1000 * request_bytes);
  result.bytes_per_second = rates;
  for (const double rate : rates) result.requests_per_second.push_back(rate / request_bytes);
  for (size_t i = 0; i < 1000; ++i) result.latency_seconds.push_back(i < 985 ? 100e-6 : 2e-3);
  return result;
}

// Seven rounds that scatter by a few per cent around `rate`, each in another way.
std::vector<double> Rounds(double rate, double scatter = 0.03) {
  static unsigned seed = 0;
  std::mt19937_64 random(++seed);
  std::normal_distribution<double> noise;
  std::vector<double> rates;
  for (size_t round = 0; round < kLeastRounds; ++round) rates.push_back(rate * std::exp(scatter * noise(random)));
  return rates;
}

IoResult MadeBlock(IoExperiment experiment, uint64_t block_bytes, double rate, double scatter = 0) {
  const IoPoint point = {.experiment = experiment, .block_bytes = block_bytes, .requests = 1000};
  return Made(point, Rounds(rate, scatter), static_cast<double>(block_bytes));
}

IoResult MadeMethod(IoMethod method, const std::vector<double>& rates, unsigned depth = 1) {
  return Made({.experiment = IoExperiment::kMethods, .method = method, .access = IoAccess::kRandom, .depth = depth},
              rates);
}

IoResult MadeThreads(unsigned threads, double rate, double scatter = 0) {
  return Made({.experiment = IoExperiment::kThreads, .depth = threads}, Rounds(rate, scatter));
}

std::vector<std::string> InsightsOf(const std::vector<IoResult>& results) {
  static const StorageWatch kNoWatch;
  return IoInsights(results, {.watch = kNoWatch});
}

// The insight that contains `key`, or nothing.
std::string InsightWith(const std::vector<IoResult>& results, const std::string& key) {
  for (const std::string& insight : InsightsOf(results))
    if (insight.find(key) != std::string::npos) return insight;
  return "";
}

void ExpectParts(const std::string& insight, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(insight.find(part), std::string::npos) << part << "\nin: " << insight;
}

// 80 us for each request, and a gigabyte a second.
std::vector<IoResult> OnALine(double scatter) {
  std::vector<IoResult> results;
  for (const uint64_t block : {4 * kKiB, 64 * kKiB, 1 * kMiB}) {
    const auto bytes = static_cast<double>(block);
    results.push_back(MadeBlock(IoExperiment::kRandom, block, bytes / (80e-6 + bytes * 1e-9), scatter));
  }
  return results;
}

TEST(IoInsight, CostModelIsRecoveredFromRandomReadsWithItsError) {
  const Cost cost = RequestCost(OnALine(0.02));
  ASSERT_TRUE(cost.model.has_value()) << cost.why_none;
  EXPECT_TRUE(cost.seconds_per_request->holds(80e-6));
  EXPECT_TRUE(cost.seconds_per_byte->holds(1e-9));
  EXPECT_LT(cost.seconds_per_request->high, 1.1 * cost.seconds_per_request->low);
  ExpectParts(InsightWith(OnALine(0), "C = N*U + R"), {"(cold)", "R = 80 us (80 us to 80 us)", "1.05 ms", "78.1 KiB"});
}

TEST(IoInsight, CostModelIsWithheldWhereItDoesNotFit) {
  auto bent = OnALine(0);
  for (double& rate : bent[1].requests_per_second) rate /= 3;
  ExpectParts(InsightWith(bent, "No cost model"), {"differ from it by up to"});
  auto mixed = OnALine(0);
  mixed[1].from = ServedFrom::kPartly;
  ExpectParts(InsightWith(mixed, "No cost model"), {"some were cold and others were not"});
  auto few = OnALine(0);
  for (IoResult& result : few) result.bytes_per_second.resize(3);
  ExpectParts(InsightWith(few, "No cost model"), {"3 rounds are too few"});
}

TEST(IoInsight, CostModelNeedsSizesThatDiffer) {
  const std::vector results = {MadeBlock(IoExperiment::kRandom, 4096, 1e6),
                               MadeBlock(IoExperiment::kRandom, 4100, 1.0005e6)};
  EXPECT_FALSE(RequestCost(results).model.has_value());
}

TEST(IoInsight, BestBlockIsTheSmallestThatIsSurelyNearTheBestRate) {
  const std::vector<IoResult> results = {
      MadeBlock(IoExperiment::kSequential, 4 * kKiB, 100e6), MadeBlock(IoExperiment::kSequential, 64 * kKiB, 950e6),
      MadeBlock(IoExperiment::kSequential, 1 * kMiB, 1000e6), MadeBlock(IoExperiment::kRandom, 4 * kKiB, 20e6)};
  EXPECT_EQ(FirstGoodEnough(SequentialByBlock(results))->point.block_bytes, 64 * kKiB);
  ExpectParts(InsightWith(results, "Sequential reads"),
              {"blocks of 64 KiB are large enough", "4 KiB reach", "0.105 x"});
  ExpectParts(InsightWith(results, "randomness"), {"0.2 x (0.2 to 0.2) the sequential rate", "4 KiB"});
  // One that may be slower by more than a tenth is not enough.
  std::vector<IoResult> unsure = results;
  unsure[1].bytes_per_second = Rounds(950e6, 0.2);
  EXPECT_EQ(FirstGoodEnough(SequentialByBlock(unsure))->point.block_bytes, 1 * kMiB);
}

TEST(IoInsight, ThreadsHelpUpToTheKnee) {
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 180e6), MadeThreads(4, 300e6), MadeThreads(8, 310e6)},
                          "Threads"),
              {"up to 4", "3 x (", "more bring less"});
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 200e6)}, "Threads"), {"up to 2", "--threads"});
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 101e6)}, "Threads"), {"do not help"});
  std::vector<IoResult> few = {MadeThreads(1, 100e6), MadeThreads(2, 200e6)};
  for (IoResult& result : few) result.bytes_per_second.resize(2);
  ExpectParts(InsightWith(few, "Threads"), {"cannot be told from 2 rounds"});
}

TEST(IoInsight, AMethodIsFasterOnlyWhereItsIntervalSaysSo) {
  const auto steady = [](double rate) { return std::vector<double>(kLeastRounds, rate); };
  const std::vector<double> scattered = {50e6, 200e6, 90e6, 110e6, 100e6, 130e6, 70e6};
  std::vector<IoResult> results = {
      MadeMethod(IoMethod::kRead, steady(100e6)),  MadeMethod(IoMethod::kMmap, steady(200e6)),
      MadeMethod(IoMethod::kDirect, scattered),    MadeMethod(IoMethod::kRead, steady(800e6), kMostDepth),
      MadeMethod(IoMethod::kUring, steady(100e6)), MadeMethod(IoMethod::kUring, steady(400e6), kMostDepth)};
  ExpectParts(InsightWith(results, "mmap"), {"it is faster with random reads of what was evicted (cold: 2 x ("});
  ExpectParts(InsightWith(results, "O_DIRECT"), {"no difference"});
  // As many at a time: against one read() at a time it would be four times as fast.
  ExpectParts(InsightWith(results, "io_uring against read() in 32 threads"), {"it is slower", "0.5 x ("});
  ExpectParts(InsightWith(results, "io_uring against read():"), {"no difference"});
  results[1].from = ServedFrom::kPartly;
  ExpectParts(InsightWith(results, "mmap"), {"nothing can be told", "one was cold, the other partly cold"});
  for (IoResult& result : results) result.bytes_per_second.resize(3);
  ExpectParts(InsightWith(results, "O_DIRECT"), {"nothing can be told", "3 rounds"});
}

TEST(IoInsight, NoiseAloneSeldomMakesAMethodBetter) {
  int claims = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const std::vector<IoResult> results = {MadeMethod(IoMethod::kRead, Rounds(100e6, 0.5)),
                                           MadeMethod(IoMethod::kMmap, Rounds(100e6, 0.5))};
    if (InsightWith(results, "no difference").empty()) ++claims;
  }
  EXPECT_LE(claims, 12) << "of 100; about 5 are due";
}

TEST(IoInsight, WhatWasEvictedAndNotColdIsSaid) {
  std::vector<IoResult> results = OnALine(0);
  EXPECT_EQ(InsightWith(results, "Not cold"), "");
  results[0].from = ServedFrom::kCaches;
  results[0].fetched.bytes = 0;
  ExpectParts(InsightWith(results, "Not cold"), {"1 of 3 measurements", "0 B of their 3.91 MiB"});
}

TEST(IoInsight, FilesCostMoreThanTheirBytes) {
  std::vector<IoResult> results;
  for (const double bytes : {4e3, 4e5, 4e7})
    results.push_back(Made({.experiment = IoExperiment::kWholeFiles, .access = IoAccess::kWholeFiles},
                           std::vector<double>(kLeastRounds, bytes / (200e-6 + bytes * 1e-9)), bytes));
  EXPECT_NEAR(FileCost(results).model->seconds_per_request, 200e-6, 1e-9);
  ExpectParts(InsightWith(results, "Whole files"), {"200 us (200 us to 200 us) beyond its bytes", "995 MB/s", "cold"});
}

TEST(IoInsight, LatencyTellsTheTail) {
  ExpectParts(InsightWith({MadeBlock(IoExperiment::kRandom, 4 * kKiB, 20e6)}, "Latency"),
              {"1,000 random reads", "4 KiB", "100 us", "2 ms"});
  // Of 38 the hundredth is the slowest.
  IoResult few = MadeBlock(IoExperiment::kRandom, 4 * kKiB, 20e6);
  few.latency_seconds.resize(38);
  EXPECT_EQ(InsightWith({few}, "Latency"), "");
}

}  // namespace
}  // namespace quire::bench
