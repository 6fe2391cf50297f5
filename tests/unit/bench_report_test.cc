// SPDX-License-Identifier: Apache-2.0
// Goal: each form of a report holds all that it should, whatever bytes a path holds, and a report is written whole,
// only where it was told to, or refused before anything was measured.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <ranges>
#include <string>

#include "tests/support/memory_tree.h"
#include "tools/bench/report.h"

namespace quire::bench {
namespace {

Report SampleReport() {
  Report report{.kind = "io",
                .subject = "/data",
                .command = "quire bench io /data",
                .machine = {.date = "2026-11-22 01:30 UTC",
                            .host = "trainer",
                            .kernel = "Linux 6.18",
                            .distribution = "Debian 12",
                            .processor = "EPYC",
                            .cores = 2,
                            .memory_bytes = 8ULL << 30,
                            .file_system = "ext4",
                            .device = "/dev/vda",
                            .quire_version = "0.1.0"}};
  report.settings = {{"repeats", 5}, {"order", "random"}};
  report.results = {{{"experiment", "sequential"}, {"block_bytes", 4096}, {"bytes_per_second", 1.5e9}},
                    {{"experiment", "random"}, {"count", 10}, {"bytes_per_second", std::nan("")}}};
  report.insights = {"Read in blocks of 512 KiB.", "mmap does not help."};
  report.tables = {
      {.title = "Reads", .header = {"block", "rate"}, .rows = {{"4 KiB", "9 MB/s"}, {"1 MiB", "1.5 GB/s"}}}};
  report.charts = {
      {.kind = ChartKind::kBars, .title = "Rates", .categories = {"4 KiB"}, .series = {{.name = "", .values = {1}}}}};
  return report;
}

constexpr const char* kHostile = "</title><script>alert('\"&')\xFF\x1B";

Report HostileReport() {
  Report report = SampleReport();
  for (std::string* text :
       {&report.subject, &report.command, &report.machine.host, &report.insights.front(), &report.tables.front().title,
        &report.tables.front().header.front(), &report.tables.front().rows.front().front(),
        &report.charts.front().title, &report.charts.front().categories.front()})
    *text = kHostile;
  report.settings["order"] = kHostile;
  report.results[0]["experiment"] = kHostile;
  return report;
}

size_t EntriesIn(const std::string& folder) {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

TEST(ReportText, AlignsTablesAndEndsWithTheInsights) {
  EXPECT_EQ(ToText(SampleReport()),
            "quire bench io: /data\n"
            "EPYC, 2 cores, 8.0 GiB RAM, Debian 12, Linux 6.18\n"
            "ext4, /dev/vda, trainer, 2026-11-22 01:30 UTC, quire 0.1.0\n"
            "\n"
            "Reads\n"
            "  block      rate\n"
            "  4 KiB    9 MB/s\n"
            "  1 MiB  1.5 GB/s\n"
            "\n"
            "* Read in blocks of 512 KiB.\n"
            "* mmap does not help.\n");
}

TEST(ReportText, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(ToText({.kind = "meta", .subject = "x"}), "quire bench meta: x\n");
}

TEST(ReportText, AlignsNamesOfMoreThanOneByteACharacter) {
  Report report = SampleReport();
  report.tables[0].rows[0][0] = "caf\xC3\xA9s";
  EXPECT_NE(ToText(report).find("  caf\xC3\xA9s    9 MB/s\n  1 MiB  1.5 GB/s\n"), std::string::npos);
}

TEST(ReportText, ColumnsThatDoNotFitATerminalFollowBelow) {
  Report report{.kind = "io", .subject = "x"};
  report.tables = {{.title = "Wide", .header = {"what"}, .rows = {{"samples"}}}};
  for (int i = 0; i < 12; ++i) {
    report.tables[0].header.push_back("column " + std::to_string(i));
    report.tables[0].rows[0].push_back(std::to_string(i * 1000));
  }
  const std::string text = ToText(report);
  for (const auto line : std::views::split(text, '\n')) EXPECT_LE(line.size(), 80U);
  EXPECT_TRUE(text.contains("  what     column 0"));
  EXPECT_TRUE(text.contains("\n\n  what     column 7")) << text;
  EXPECT_TRUE(text.contains("11000\n"));
}

TEST(ReportText, SendsNoControlCharacterToTheTerminal) {
  const std::string text = ToText(HostileReport());
  EXPECT_EQ(text.find_first_of("\xFF\x1B"), std::string::npos);
  EXPECT_NE(text.find("\\x1b"), std::string::npos);
}

TEST(ReportJson, HoldsAllButTheDrawings) {
  const auto json = nlohmann::ordered_json::parse(ToJson(SampleReport()));
  std::vector<std::string> fields;
  for (const auto& [field, value] : json.items()) fields.push_back(field);
  EXPECT_EQ(fields, (std::vector<std::string>{"schema", "kind", "subject", "command", "quire_version", "machine",
                                              "settings", "results", "insights"}));
  EXPECT_EQ(json["machine"]["memory_bytes"], 8ULL << 30);
  EXPECT_EQ(json["settings"]["repeats"], 5);
  EXPECT_EQ(json["results"][0]["bytes_per_second"], 1.5e9);
  EXPECT_EQ(json["insights"][1], "mmap does not help.");
  EXPECT_EQ(ToJson(SampleReport()).back(), '\n');
}

TEST(ReportJson, WritesNullForWhatIsNotFinite) {
  EXPECT_TRUE(nlohmann::json::parse(ToJson(SampleReport()))["results"][1]["bytes_per_second"].is_null());
}

TEST(ReportJson, CarriesAnyBytes) {
  const auto json = nlohmann::json::parse(ToJson(HostileReport()));
  EXPECT_EQ(json["subject"], "</title><script>alert('\"&')\xEF\xBF\xBD\x1B");
  EXPECT_EQ(json["subject_base64"], "PC90aXRsZT48c2NyaXB0PmFsZXJ0KCciJicp/xs=");
}

TEST(ReportCsv, HasAColumnForEachFieldOfAnyResult) {
  EXPECT_EQ(ToCsv(SampleReport()),
            "experiment,block_bytes,bytes_per_second,count\n"
            "sequential,4096,1500000000.0,\n"
            "random,,,10\n");
}

TEST(ReportCsv, QuotesWhatWouldSplitALine) {
  Report report = SampleReport();
  report.results = {{{"a,b", "one,two"}, {"c", "say \"hi\""}, {"d", "two\nlines"}, {"e", true}, {"f", nullptr}}};
  EXPECT_EQ(ToCsv(report), "\"a,b\",c,d,e,f\n\"one,two\",\"say \"\"hi\"\"\",\"two\nlines\",true,\n");
}

TEST(ReportHtml, PutsTheInsightsFirstAndTheSettingsLast) {
  const std::string html = ToHtml(SampleReport());
  size_t last = 0;
  for (const char* part : {"<meta charset=\"utf-8\">", "<title>quire bench io: /data</title>", "<h1>",
                           "<li>Read in blocks of 512 KiB.</li>", "<svg ", "<table>", "EPYC, 2 cores",
                           "<code>quire bench io /data</code>", "<dt>repeats</dt><dd>5</dd>", "<dd>random</dd>"}) {
    const size_t at = html.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    EXPECT_GT(at, last) << part;
    last = at;
  }
}

TEST(ReportHtml, NeedsNoNetworkAndNoScript) {
  const std::string html = ToHtml(SampleReport());
  for (const char* part : {"<script", "<link", "src=", "href=", "url(", "@import"})
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  EXPECT_EQ(html.find("http"), html.find("http://www.w3.org/2000/svg"));  // a name, nothing is fetched
}

TEST(ReportHtml, EscapesEveryText) {
  const std::string html = ToHtml(HostileReport());
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find_first_of("\xFF\x1B"), std::string::npos);
  EXPECT_EQ(html.find("</title>"),
            html.rfind("</title>", html.find("<style>")));  // the page's own ends where it should
}

TEST(ReportHtml, FoldsLongTables) {
  Report report = SampleReport();
  EXPECT_NE(ToHtml(report).find("<details open>"), std::string::npos);
  report.tables[0].rows.resize(40, {"4 KiB", "9 MB/s"});
  EXPECT_EQ(ToHtml(report).find("<details open>"), std::string::npos);
}

void ExpectRefused(const Outputs& outputs, const std::string& reason) {
  const auto checked = CheckOutputs(outputs);
  ASSERT_FALSE(checked.has_value()) << reason;
  EXPECT_NE(checked.error().message.find(reason), std::string::npos) << checked.error().message;
}

TEST(CheckOutputs, AcceptsWhatCanBeWrittenAndLeavesItAlone) {
  const TemporaryFolder folder;
  WriteFile(folder / "old.json", "old");
  struct stat before{};
  ASSERT_EQ(stat(folder.path().c_str(), &before), 0);
  OkOrDie(CheckOutputs({.json = folder / "old.json", .csv = folder / "new.csv", .html = "-"}));
  OkOrDie(CheckOutputs({}));
  struct stat after{};
  ASSERT_EQ(stat(folder.path().c_str(), &after), 0);
  EXPECT_EQ(ReadFile(folder / "old.json"), "old");
  EXPECT_EQ(EntriesIn(folder.path()), 1U);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

TEST(CheckOutputs, RefusesAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  ExpectRefused({.json = folder / "no/out.json"}, "--json " + folder / "no/out.json" + ": there is no folder");
}

TEST(CheckOutputs, RefusesAFolderThatTakesNoFiles) {
  ExpectRefused({.html = "/proc/out.html"}, "--report /proc/out.html: making a file in its folder, /proc: ");
}

TEST(CheckOutputs, RefusesToReplaceWhatIsNotAFile) {
  const TemporaryFolder folder;
  ExpectRefused({.csv = "/dev/null"}, "--csv /dev/null: is not a regular file");
  ExpectRefused({.csv = folder.path()}, "is a directory");
}

TEST(CheckOutputs, RefusesTwoFormsInOneFile) {
  const TemporaryFolder folder;
  ExpectRefused({.json = folder / "out", .csv = folder / "./out"}, "--json and --csv both go to");
  std::filesystem::create_symlink(folder / "out", folder / "link");
  WriteFile(folder / "out", "old");
  ExpectRefused({.json = folder / "out", .html = folder / "link"}, "--json and --report both go to");
  ExpectRefused({.csv = "-", .html = "-"}, "--csv and --report both go to standard output");
}

TEST(WriteReport, WritesEachFormAndPrintsTheText) {
  const TemporaryFolder folder;
  const Report report = SampleReport();
  testing::internal::CaptureStdout();
  const auto written = WriteReport(report, {.json = folder / "j", .csv = folder / "c", .html = folder / "h"});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), ToText(report));
  OkOrDie(written);
  EXPECT_EQ(ReadFile(folder / "j"), ToJson(report));
  EXPECT_EQ(ReadFile(folder / "c"), ToCsv(report));
  EXPECT_EQ(ReadFile(folder / "h"), ToHtml(report));
  EXPECT_EQ(EntriesIn(folder.path()), 3U);
}

TEST(WriteReport, PrintsAFormInPlaceOfTheText) {
  const Report report = SampleReport();
  testing::internal::CaptureStdout();
  const auto written = WriteReport(report, {.csv = "-"});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), ToCsv(report));
  OkOrDie(written);
}

TEST(WriteReport, ReplacesAnEarlierReportBehindALink) {
  const TemporaryFolder folder;
  WriteFile(folder / "report", "old");
  std::filesystem::create_symlink(folder / "report", folder / "link");
  const Report report = SampleReport();
  testing::internal::CaptureStdout();
  const auto written = WriteReport(report, {.json = folder / "link"});
  testing::internal::GetCapturedStdout();
  OkOrDie(written);
  EXPECT_EQ(ReadFile(folder / "report"), ToJson(report));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
}

TEST(WriteReport, WritesTheOtherFormsWhenOneCannotBe) {
  const TemporaryFolder folder;
  const Report report = SampleReport();
  testing::internal::CaptureStdout();
  const auto written = WriteReport(report, {.json = folder / "no/j", .csv = folder / "c"});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), ToText(report));
  EXPECT_FALSE(written.has_value());
  EXPECT_EQ(ReadFile(folder / "c"), ToCsv(report));
}

}  // namespace
}  // namespace quire::bench
