// Goal: `quire bench io` reads what it plans, plans what makes sense, and says of its figures what they show.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/memory_tree.h"
#include "tools/bench/io_insights.h"
#include "tools/bench/io_report.h"

namespace quire::bench {
namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr std::atomic<bool> kNotInterrupted = false;
constexpr IoLimit kNoLimit = {.seconds = 1000, .interrupted = &kNotInterrupted};

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
  EXPECT_EQ(RandomClass(std::vector{ClassOf({9 * kMiB, 9 * kMiB}), ClassOf({17 * kMiB})}), 0U);
  EXPECT_EQ(RandomClass(std::vector{ClassOf({9 * kMiB}), ClassOf({17 * kMiB})}), 1U);
  // Not among files too small for the larger blocks, however many they are.
  EXPECT_EQ(RandomClass(std::vector{ClassOf(std::vector<uint64_t>(100, 900 * kKiB)), ClassOf({2 * kMiB})}), 1U);
}

TEST(IoMatrix, KnowsNothingCachedWithODirect) {
  const std::vector classes = {ClassOf({5 * kMiB})};
  const std::vector methods = {IoMethod::kRead, IoMethod::kDirect};
  std::map<std::pair<IoMethod, bool>, int> count;
  for (const IoPoint& point : MakeMatrix(classes, methods, 1))
    if (point.experiment == IoExperiment::kMethods) ++count[{point.method, point.cached}];
  EXPECT_EQ((count[{IoMethod::kRead, true}]), 2);
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

using IoEngineOfOne = IoEngine;  // methods that read one request at a time, into the caller's buffer

TEST_P(IoEngineOfOne, ReadsTheRightBytes) {
  const std::string content = ReadFile(file_.path);
  const OpenFiles files = Open();
  for (const IoRequest& request : requests_) {
    alignas(4096) std::array<std::byte, 16 * kKiB> buffer;
    OkOrDie(files.Read(request, buffer));
    EXPECT_EQ(
        content.compare(request.offset, request.bytes, reinterpret_cast<const char*>(buffer.data()), request.bytes), 0);
  }
}

TEST_P(IoEngine, ReadsAtLeastOneRequestAndStopsInTime) {
  const auto figures = ValueOrDie(ReadRequests(Open(), requests_, 1, {.seconds = 0, .interrupted = &kNotInterrupted}));
  EXPECT_GE(figures.requests, 1U);
  EXPECT_LE(figures.requests, GetParam() == IoMethod::kUring ? kRingDepth : 1U);
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
INSTANTIATE_TEST_SUITE_P(Methods, IoEngineOfOne, testing::Values(IoMethod::kRead, IoMethod::kMmap, IoMethod::kDirect),
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

TEST(IoEngineThreads, ShareTheRequestsBetweenThem) {
  const TemporaryFolder folder;
  const IoFile file = MakeFile(folder, "file", 1'000'000);
  std::vector<IoRequest> requests;
  for (uint64_t at = 0; at + 4096 <= file.bytes; at += 4096) requests.push_back({0, at, 4096});
  const auto files = ValueOrDie(OpenFiles::Open({&file, 1}, IoMethod::kRead));
  const auto figures = ValueOrDie(ReadRequests(files, requests, 4, kNoLimit));
  EXPECT_EQ(figures.requests, requests.size());
  EXPECT_EQ(figures.bytes, requests.size() * 4096);
  EXPECT_EQ(figures.latency_seconds.size(), requests.size());
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
    MakeFile(folder_, "large", 2 * kMiB);
    classes_ = ValueOrDie(FindIoFiles(folder_.path(), 1)).classes;
    points_ = MakeMatrix(classes_, std::vector{IoMethod::kRead, IoMethod::kMmap}, 2);
  }

  std::vector<IoResult> Measure(unsigned repeats, double seconds) {
    const IoSettings settings = {
        .repeats = repeats, .seconds = seconds, .watch = watch_, .interrupted = &kNotInterrupted};
    return ValueOrDie(MeasureMatrix(classes_, points_, settings, [this](const std::string&) { ++steps_; }));
  }

  const TemporaryFolder folder_;
  std::vector<FileClass> classes_;
  std::vector<IoPoint> points_;
  const StorageWatch watch_ = StorageWatch::Of(folder_.path());
  size_t steps_ = 0;
};

TEST_F(IoMeasurement, RepeatsEveryPoint) {
  const auto results = Measure(3, 1000);
  ASSERT_EQ(results.size(), points_.size());
  EXPECT_EQ(steps_, 3 * points_.size());
  for (const IoResult& result : results) {
    EXPECT_EQ(result.bytes_per_second.count, 3U);
    EXPECT_GT(result.bytes_per_second.min, 0);
    EXPECT_EQ(result.latency_seconds.size(), result.requests);
    EXPECT_TRUE(std::ranges::is_sorted(result.latency_seconds));
  }
}

TEST_F(IoMeasurement, MeasuresEveryPointOnceWhenTheTimeIsSpent) {
  for (const IoResult& result : Measure(3, 0)) EXPECT_EQ(result.bytes_per_second.count, 1U);
}

TEST_F(IoMeasurement, FillsJsonTablesAndCharts) {
  const auto results = Measure(1, 1000);
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

// What the figures say. A made-up result whose repeats were `rates` bytes a second.
IoResult Made(const IoPoint& point, const std::vector<double>& rates, double request_bytes = 4096) {
  IoResult result = {.point = point, .file_class = "made up"};
  std::vector<double> requests_per_second;
  requests_per_second.reserve(rates.size());
  for (const double rate : rates) requests_per_second.push_back(rate / request_bytes);
  result.requests = 1000;
  result.bytes = static_cast<uint64_t>(1000 * request_bytes);
  result.bytes_per_second = Summarize(rates);
  result.requests_per_second = Summarize(requests_per_second);
  for (size_t i = 0; i < 1000; ++i) result.latency_seconds.push_back(i < 985 ? 100e-6 : 2e-3);
  return result;
}

IoResult MadeBlock(IoExperiment experiment, uint64_t block_bytes, double rate) {
  const IoPoint point = {.experiment = experiment, .block_bytes = block_bytes, .requests = 1000};
  return Made(point, {rate}, static_cast<double>(block_bytes));
}

IoResult MadeMethod(IoMethod method, bool cached, const std::vector<double>& rates) {
  return Made({.experiment = IoExperiment::kMethods, .method = method, .access = IoAccess::kRandom, .cached = cached},
              rates);
}

IoResult MadeThreads(unsigned threads, double rate) {
  return Made({.experiment = IoExperiment::kThreads, .threads = threads}, {rate});
}

// The insight that contains `key`, or nothing.
std::string InsightWith(const std::vector<IoResult>& results, const std::string& key) {
  for (const std::string& insight : IoInsights(results, StorageWatch()))
    if (insight.find(key) != std::string::npos) return insight;
  return "";
}

void ExpectParts(const std::string& insight, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(insight.find(part), std::string::npos) << part << "\nin: " << insight;
}

TEST(IoInsight, CostModelIsRecoveredFromRandomReads) {
  // 80 us for each request, and a gigabyte a second.
  std::vector<IoResult> results;
  for (const uint64_t block : {4 * kKiB, 64 * kKiB, 1 * kMiB}) {
    const auto bytes = static_cast<double>(block);
    results.push_back(MadeBlock(IoExperiment::kRandom, block, bytes / (80e-6 + bytes * 1e-9)));
  }
  const auto cost = RequestCost(results);
  ASSERT_TRUE(cost.has_value());
  EXPECT_NEAR(cost->seconds_per_request, 80e-6, 1e-9);
  EXPECT_NEAR(cost->seconds_per_byte, 1e-9, 1e-13);
  ExpectParts(InsightWith(results, "C = N*U + R"), {"R = 80 us", "1.05 ms", "78.1 KiB"});
}

TEST(IoInsight, CostModelNeedsSizesThatDiffer) {
  const std::vector results = {MadeBlock(IoExperiment::kRandom, 4096, 1e6),
                               MadeBlock(IoExperiment::kRandom, 4100, 1.0005e6)};
  EXPECT_FALSE(RequestCost(results).has_value());
}

TEST(IoInsight, BestBlockIsTheSmallestNearTheBestRate) {
  std::vector<IoResult> results = {
      MadeBlock(IoExperiment::kSequential, 4 * kKiB, 100e6), MadeBlock(IoExperiment::kSequential, 64 * kKiB, 900e6),
      MadeBlock(IoExperiment::kSequential, 1 * kMiB, 1000e6), MadeBlock(IoExperiment::kRandom, 4 * kKiB, 20e6)};
  EXPECT_EQ(SmallestGoodBlock(SequentialByBlock(results))->point.block_bytes, 64 * kKiB);
  ExpectParts(InsightWith(results, "Sequential reads"), {"64 KiB", "900 MB/s", "1 MiB", "1 GB/s", "4 KiB", "100 MB/s"});
  ExpectParts(InsightWith(results, "randomness"), {"20 %", "4 KiB", "20 MB/s", "100 MB/s"});
}

TEST(IoInsight, RandomReadsCountWithTheLargerCount) {
  std::vector<IoResult> results = {MadeBlock(IoExperiment::kRandom, 4096, 1e6),
                                   MadeBlock(IoExperiment::kRandom, 4096, 2e6),
                                   MadeBlock(IoExperiment::kRandom, 16384, 3e6)};
  const auto by_block = RandomByBlock(results);
  ASSERT_EQ(by_block.size(), 2U);
  EXPECT_EQ(by_block[0], &results[1]);
  EXPECT_EQ(by_block[1], &results[2]);
}

TEST(IoInsight, ThreadsHelpUpToTheKnee) {
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 180e6), MadeThreads(4, 300e6), MadeThreads(8, 310e6)},
                          "Threads"),
              {"up to 4", "300 MB/s", "3 times", "75 %", "more bring less"});
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 200e6)}, "Threads"), {"up to 2", "--threads"});
  ExpectParts(InsightWith({MadeThreads(1, 100e6), MadeThreads(2, 101e6)}, "Threads"), {"do not help"});
}

TEST(IoInsight, AMethodHelpsOnlyBeyondTheSpreadOfTheRepeats) {
  const std::vector<IoResult> results = {
      MadeMethod(IoMethod::kRead, false, {100e6, 110e6}),  MadeMethod(IoMethod::kMmap, false, {50e6, 55e6}),
      MadeMethod(IoMethod::kRead, true, {1e9, 1.1e9}),     MadeMethod(IoMethod::kMmap, true, {2e9, 2.2e9}),
      MadeMethod(IoMethod::kUring, false, {109e6, 200e6}), MadeMethod(IoMethod::kDirect, false, {300e6})};
  ExpectParts(InsightWith(results, "mmap"),
              {"helps with cached random reads (2 times)", "costs with uncached random reads (0.5 times)"});
  ExpectParts(InsightWith(results, "io_uring"), {"no difference", "uncached random reads (1.5 times)"});
  // A single repeat has no spread that could be told.
  ExpectParts(InsightWith(results, "O_DIRECT"), {"no difference"});
}

TEST(IoInsight, FilesCostMoreThanTheirBytes) {
  std::vector<IoResult> results;
  for (const double bytes : {4e3, 4e5, 4e7})
    results.push_back(Made({.experiment = IoExperiment::kWholeFiles, .access = IoAccess::kWholeFiles},
                           {bytes / (200e-6 + bytes * 1e-9)}, bytes));
  EXPECT_NEAR(FileCost(results)->seconds_per_request, 200e-6, 1e-9);
  ExpectParts(InsightWith(results, "Whole files"), {"200 us beyond its bytes", "995 MB/s"});
}

TEST(IoInsight, LatencyTellsTheTail) {
  ExpectParts(InsightWith({MadeBlock(IoExperiment::kRandom, 4 * kKiB, 20e6)}, "Latency"),
              {"4 KiB", "100 us", "2 ms", "20 times"});
}

}  // namespace
}  // namespace quire::bench
