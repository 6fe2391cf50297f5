// Goal: the samples are chosen fairly, the contestants take turns fairly, and every sentence follows from the numbers.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/memory_tree.h"
#include "tools/bench/formats_contest.h"
#include "tools/bench/formats_figures.h"
#include "tools/bench/formats_samples.h"
#include "tools/bench/formats_scratch.h"

namespace quire::bench {
namespace {

using Numbers = std::vector<uint64_t>;

TEST(FormatsSamples, NumbersAreSpreadEvenly) {
  EXPECT_EQ(SpreadEvenly(10, 5), (Numbers{0, 2, 4, 6, 8}));
  EXPECT_EQ(SpreadEvenly(10, 3), (Numbers{0, 3, 6}));
  EXPECT_EQ(SpreadEvenly(3, 10), (Numbers{0, 1, 2}));
  EXPECT_EQ(SpreadEvenly(3, 0), Numbers{});
  EXPECT_EQ(SpreadEvenly(0, 3), Numbers{});
  const auto numbers = SpreadEvenly(1'000'000'007, 50'000);
  for (size_t i = 1; i < numbers.size(); ++i) {
    EXPECT_GE(numbers[i] - numbers[i - 1], 20'000U);
    EXPECT_LE(numbers[i] - numbers[i - 1], 20'001U);
  }
}

TEST(FormatsSamples, AsManyAsFitIntoTheBytes) {
  const Numbers equal(100, 10);
  EXPECT_EQ(SpreadWithin(equal, 1000).size(), 100U);
  EXPECT_EQ(SpreadWithin(equal, 999).size(), 99U);
  EXPECT_EQ(SpreadWithin(equal, 10).size(), 1U);
  EXPECT_EQ(SpreadWithin(equal, 9).size(), 0U);
  const Numbers growing = CountUp(1000);
  for (const uint64_t limit : {0, 1, 100, 5000, 400'000, 499'500}) {
    uint64_t bytes = 0;
    for (const uint64_t i : SpreadWithin(growing, limit)) bytes += growing[i];
    EXPECT_LE(bytes, limit);
    EXPECT_GE(bytes * 2, limit < 400'000 ? 0 : limit) << "far less than fits";
  }
}

TEST(FormatsSamples, ACopyHoldsWhatWasChosenAndNothingElse) {
  const TemporaryFolder folder;
  const std::string source = folder / "source";
  std::filesystem::create_directories(source + "/a/b");
  for (int i = 0; i < 10; ++i) WriteFile(fmt::format("{}/a/b/{}", source, i), Noise(1000, static_cast<uint64_t>(i)));
  WriteFile(source + "/a/b-", "between a/b and a/b/0 as text, behind them as a path");
  std::filesystem::create_symlink("a", source + "/symlink");
  const auto chosen = ValueOrDie(ChooseSamples(source, {.samples = 6, .bytes = 1 << 20}));
  EXPECT_EQ(chosen.found, 11U);
  const std::vector<std::string> wanted = {"a/b/0", "a/b/1", "a/b/3", "a/b/5", "a/b/7", "a/b/9"};
  EXPECT_EQ(chosen.list.paths, wanted);
  std::filesystem::remove(source + "/a/b/5");
  const auto copy = ValueOrDie(CopySamples(chosen.list, folder / "copy", [] { return false; }));
  EXPECT_EQ(copy.left_out, 1U);
  EXPECT_NE(copy.first_left_out.find("a/b/5"), std::string::npos) << copy.first_left_out;
  EXPECT_EQ(copy.bytes, 5000U);
  EXPECT_EQ(copy.list.paths.size(), 5U);
  for (const std::string& path : copy.list.paths)
    EXPECT_TRUE(ReadFile(fmt::format("{}/copy/{}", folder.path(), path)) ==
                ReadFile(fmt::format("{}/{}", source, path)))
        << path;
  EXPECT_GE(DiskUsage(folder / "copy"), 5000U);
}

TEST(FormatsSamples, NothingToChooseFromIsAnError) {
  const TemporaryFolder folder;
  const SampleLimits limits{.samples = 10, .bytes = 10};
  EXPECT_EQ(ChooseSamples(folder.path(), limits).error().code, ErrorCode::kNotFound);
  WriteFile(folder / "large", Noise(11, 1));
  const auto chosen = ChooseSamples(folder.path(), limits);
  ASSERT_FALSE(chosen.has_value());
  EXPECT_NE(chosen.error().message.find("--limit-bytes"), std::string::npos) << chosen.error().message;
  EXPECT_FALSE(ChooseSamples(folder / "large", limits).has_value());
}

TEST(FormatsScratch, GoesAwayWithAllThatItHolds) {
  const TemporaryFolder folder;
  std::string path;
  {
    const auto scratch = ValueOrDie(ScratchFolder::Make(folder.path(), 1));
    path = scratch->path();
    EXPECT_NE(path.find("/quire-bench-formats."), std::string::npos);
    struct stat status{};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    std::filesystem::create_directories(*scratch / "a" + "/b");
    WriteFile(*scratch / "a" + "/b/c", "c");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(FormatsScratch, TooLittleSpaceIsToldInNumbers) {
  const TemporaryFolder folder;
  const auto scratch = ScratchFolder::Make(folder.path(), uint64_t{1} << 60);
  ASSERT_FALSE(scratch.has_value());
  EXPECT_NE(scratch.error().message.find("1.0 EiB are needed"), std::string::npos) << scratch.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(FormatsContest, EachFollowsEachOtherOnce) {
  constexpr size_t kContestants = 6;
  std::set<std::pair<size_t, size_t>> pairs;
  for (size_t round = 0; round < kContestants; ++round) {
    const auto order = RoundOrder(kContestants, round);
    EXPECT_EQ(std::set<size_t>(order.begin(), order.end()).size(), kContestants);
    for (size_t i = 1; i < order.size(); ++i) pairs.emplace(order[i - 1], order[i]);
  }
  EXPECT_EQ(pairs.size(), kContestants * (kContestants - 1));
}

TEST(FormatsContest, AnOddNumberTakesTurnsToo) {
  constexpr size_t kContestants = 5;
  std::map<size_t, std::set<size_t>> predecessors;
  for (size_t round = 0; round < 3; ++round) {
    const auto order = RoundOrder(kContestants, round);
    EXPECT_EQ(std::set<size_t>(order.begin(), order.end()).size(), kContestants);
    for (size_t i = 0; i < order.size(); ++i) predecessors[order[i]].insert(i == 0 ? kContestants : order[i - 1]);
  }
  for (const auto& [contestant, before] : predecessors) EXPECT_GE(before.size(), 2U) << contestant;
}

EpochFigures EpochOf(double samples_per_second, double latency_seconds) {
  EpochFigures epoch{.samples = 100, .bytes = 1000, .complete = true, .seconds = 100 / samples_per_second};
  epoch.disk_bytes = 1;
  epoch.latency_seconds.assign(100, latency_seconds);
  return epoch;
}

ReadFigures ReadOf(const char* format, const char* order, double samples_per_second) {
  return {format, order, "evicted", {EpochOf(samples_per_second, 1 / samples_per_second)}};
}

FormatsFigures SomeFigures() {
  FormatsFigures figures{.samples = 100, .bytes = 100'000, .found = 100};
  figures.builds = {
      {kFiles, 9, 400'000}, {kTar, 2, 150'000}, {kZip, 5, 120'000}, {kLmdb, 8, 130'000}, {kPack, 4, 101'000}};
  double rate = 100;
  for (const char* format : {kFiles, kTar, kZip, kLmdb, kPack}) {
    figures.reads.push_back(ReadOf(format, "path", 10 * rate));
    figures.reads.push_back(ReadOf(format, "random", rate));
    rate += 100;
  }
  figures.reads.push_back(ReadOf(kMount, "path", 1000));
  figures.reads.push_back(ReadOf(kMount, "random", 125));
  return figures;
}

// All sentences, one a line.
std::string InsightsOf(const FormatsFigures& figures) {
  std::string text;
  for (const std::string& insight : FormatsInsights(figures)) text += insight + "\n";
  return text;
}

void ExpectSays(const FormatsFigures& figures, const std::string& wanted) {
  const std::string text = InsightsOf(figures);
  EXPECT_NE(text.find(wanted), std::string::npos) << "not said: " << wanted << "\nbut:\n" << text;
}

TEST(FormatsFigures, MediansOverTheRepeats) {
  ReadFigures figures{"tar", "random", "evicted", {EpochOf(100, 0.1), EpochOf(300, 0.5), EpochOf(200, 0.2)}};
  figures.epochs[0].daemon_cpu_seconds = 3;
  figures.epochs[1].daemon_cpu_seconds = 1;
  figures.epochs[2].daemon_cpu_seconds = 2;
  figures.epochs[1].complete = false;
  figures.epochs[1].failures = 7;
  figures.epochs[1].first_failure = "gone";
  const ReadSummary summary = SummarizeReads(figures);
  EXPECT_DOUBLE_EQ(summary.samples_per_second, 200);
  EXPECT_DOUBLE_EQ(summary.bytes_per_second, 2000);
  EXPECT_DOUBLE_EQ(summary.latency_p50_seconds, 0.2);
  EXPECT_DOUBLE_EQ(summary.daemon_cpu_seconds.value(), 2);
  EXPECT_EQ(summary.cut, 1U);
  EXPECT_EQ(summary.failures, 7U);
  EXPECT_EQ(summary.first_failure, "gone");
  figures.epochs[0].daemon_cpu_seconds.reset();
  EXPECT_FALSE(SummarizeReads(figures).daemon_cpu_seconds.has_value());
}

TEST(FormatsFigures, TheFastestIsNamed) {
  ExpectSays(SomeFigures(),
             "In random order pack, direct is fastest, with 500 samples/s: 5.0 x separate files, which reach 100");
  ExpectSays(SomeFigures(), "In path order pack, direct is fastest, with 5k samples/s: 5.0 x separate files");
  auto files_first = SomeFigures();
  files_first.reads[1].epochs = {EpochOf(1000, 0.001)};
  ExpectSays(files_first,
             "In random order nothing is faster than separate files, with 1k samples/s; pack, direct follows "
             "with 500 samples/s (0.50 x).");
  auto equal = SomeFigures();
  equal.reads[1].epochs = {EpochOf(490, 0.002)};
  ExpectSays(equal, "In random order pack, direct is as fast as separate files (500 samples/s and 490 samples/s)");
}

TEST(FormatsFigures, AWarmPassDecidesNothing) {
  auto figures = SomeFigures();
  figures.reads.push_back({kTar, "random", "warm", {EpochOf(1e6, 1e-6)}});
  ExpectSays(figures, "In random order pack, direct is fastest");
}

TEST(FormatsFigures, BuildingSizeAndMountAreCompared) {
  ExpectSays(SomeFigures(),
             "Fastest to build: tar, in 2 s with syncing to disk; pack takes 2.0 x as long, stored zip takes "
             "2.5 x as long, LMDB takes 4.0 x as long.");
  ExpectSays(SomeFigures(), "separate files +300.0 %, tar +50.0 %, stored zip +20.0 %, LMDB +30.0 %, pack +1.0 %.");
  ExpectSays(SomeFigures(),
             "25 % in random order (half of all samples within 8 ms instead of 2 ms), 20 % in path order.");
}

TEST(FormatsFigures, WhatWasNotMeasuredIsSaid) {
  auto figures = SomeFigures();
  figures.reads.resize(figures.reads.size() - 2);
  figures.why_no_mount = "there is no /dev/fuse";
  ExpectSays(figures, "Reading through a mount was not measured: there is no /dev/fuse.");
  EXPECT_EQ(InsightsOf(figures).find("Through its mount"), std::string::npos);
  figures.found = 5000;
  ExpectSays(figures, "100 of 5000 samples were taken, evenly over the list");
  figures.left_out = 2;
  figures.first_left_out = "secret: Permission denied";
  ExpectSays(figures, "2 could not be read, the first: secret: Permission denied.");
}

TEST(FormatsFigures, WeakFiguresAreSaidToBe) {
  EXPECT_EQ(InsightsOf(SomeFigures()).find("cut"), std::string::npos);
  auto figures = SomeFigures();
  for (ReadFigures& read : figures.reads) read.epochs[0].disk_bytes = 0;
  ExpectSays(figures, "No disk of this machine was read from");
  figures.reads[3].epochs[0].complete = false;
  ExpectSays(figures, "1 of 12 epochs were cut at their time limit");
  figures.reads[3].epochs[0].failures = 4;
  figures.reads[3].epochs[0].first_failure = "tar: truncated";
  ExpectSays(figures, "Samples could not be read: 4 of tar, random order, the first: tar: truncated.");
}

TEST(FormatsFigures, AReportHasARowForEachMeasurement) {
  Report report;
  AddFormatsFigures(SomeFigures(), report);
  ASSERT_EQ(report.results.size(), 17U);
  EXPECT_EQ(report.results[1].dump(), R"({"experiment":"build","format":"tar","seconds":2.0,"bytes":150000})");
  EXPECT_EQ(report.results[6]["samples_per_second_median"], 100);
  EXPECT_TRUE(report.results[6]["daemon_cpu_seconds"].is_null());
  ASSERT_EQ(report.charts.size(), 3U);
  EXPECT_EQ(report.charts[0].categories.size(), 6U);
  for (const Chart& chart : report.charts)
    for (const Series& series : chart.series) EXPECT_EQ(series.values.size(), chart.categories.size()) << chart.title;
  for (const Table& table : report.tables)
    for (const auto& row : table.rows) EXPECT_EQ(row.size(), table.header.size()) << table.title;
}

}  // namespace
}  // namespace quire::bench
