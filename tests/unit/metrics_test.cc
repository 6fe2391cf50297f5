// SPDX-License-Identifier: Apache-2.0
// Goal: metrics have the form that Prometheus wants, say what the report says, and stay one document when several
// mounts are told of.
#include "fs/serve/metrics.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tools/stats/metric_merge.h"

namespace quire {
namespace {

bool HasLine(const std::string& text, const std::string& line) { return ("\n" + text).contains("\n" + line + "\n"); }

MountReport Report() {
  MountReport report;
  report.mount_point = "/m";
  report.source = "/p";
  return report;
}

constexpr const char* kLabels = R"(mount_point="/m",pack="/p")";

TEST(Metrics, EachHasANameATypeAndAHelpOfItsOwn) {
  std::set<std::string_view> names;
  for (const auto& [name, type, help] : DescribeMetrics()) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(name.starts_with("quire_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    EXPECT_TRUE(help.ends_with('.') && !help.contains('\n')) << name;
  }
  EXPECT_GT(names.size(), 50U);
}

TEST(Metrics, HistogramsAddUpAndEndWithAll) {
  MountReport report = Report();
  report.waits.reads_by_us[0] = 1;
  report.waits.reads_by_us[3] = 2;
  report.waits.reads_by_us[kLatencyBuckets - 1] = 4;
  report.waits.total_ns = 2'500'000'000;
  const std::string text = FormatMetrics(report);
  EXPECT_TRUE(HasLine(text, fmt::format("quire_read_wait_seconds_bucket{{{},le=\"2e-06\"}} 1", kLabels))) << text;
  EXPECT_TRUE(HasLine(text, fmt::format("quire_read_wait_seconds_bucket{{{},le=\"1.6e-05\"}} 3", kLabels))) << text;
  EXPECT_TRUE(HasLine(text, fmt::format("quire_read_wait_seconds_bucket{{{},le=\"+Inf\"}} 7", kLabels)));
  EXPECT_TRUE(HasLine(text, fmt::format("quire_read_wait_seconds_count{{{}}} 7", kLabels)));
  EXPECT_TRUE(HasLine(text, fmt::format("quire_read_wait_seconds_sum{{{}}} 2.5", kLabels)));
}

TEST(Metrics, WhatAMountHasNotIsNotSpokenOf) {
  EXPECT_FALSE(FormatMetrics(Report()).contains("quire_remote"));
  EXPECT_FALSE(FormatMetrics(Report()).contains("quire_tier"));
  EXPECT_FALSE(FormatMetrics(Report()).contains("quire_pushed_read_ratio"));
  MountReport report = Report();
  report.remote = RemoteFigures{.requests = 3, .latency_p99 = std::chrono::microseconds(1500)};
  report.tier = TierFigures{.reads = 5, .peers = PeerFigures{.faults = 2}};
  const std::string text = FormatMetrics(report);
  EXPECT_TRUE(HasLine(text, fmt::format("quire_remote_requests_total{{{}}} 3", kLabels)));
  EXPECT_TRUE(HasLine(text, fmt::format("quire_remote_answer_seconds{{{},quantile=\"0.99\"}} 0.0015", kLabels)));
  EXPECT_TRUE(HasLine(text, fmt::format("quire_tier_reads_total{{{}}} 5", kLabels)));
  EXPECT_TRUE(HasLine(text, fmt::format("quire_peer_faults_total{{{}}} 2", kLabels)));
}

TEST(Metrics, NamesAreMadeFitForLabels) {
  EXPECT_EQ(FormatMountLabels("/a\"b\\\n", "/\xff"), R"(mount_point="/a\"b\\\\\\n",pack="/\\xff")");
}

// A report by sources: what of a local pack the disk gave is what nobody nearer did.
TEST(Metrics, SourcesOfALocalPackWithATier) {
  MountReport report = Report();
  report.cache.counters[static_cast<size_t>(Counter::kVolumeBytes)] = 100;
  report.cache.counters[static_cast<size_t>(Counter::kHitBytes)] = 7;
  report.feed.pushed_bytes = 8;
  report.tier = TierFigures{.read_bytes = 30, .fetched_bytes = 20, .peers = PeerFigures{.read_bytes = 10}};
  const SourceFigures sources = SourcesOf(report);
  EXPECT_EQ(sources.kernel_bytes, 8U);
  EXPECT_EQ(sources.memory_bytes, 7U);
  EXPECT_EQ(sources.tier_bytes, 30U);
  EXPECT_EQ(sources.peers_bytes, 10U);
  EXPECT_EQ(sources.disk_bytes, 80U);
  EXPECT_EQ(sources.network_bytes, 0U);
}

TEST(Metrics, SourcesOfAPackByUrlAreNoDisk) {
  MountReport report = Report();
  report.cache.counters[static_cast<size_t>(Counter::kVolumeBytes)] = 100;
  report.remote = RemoteFigures{.bytes = 120};
  EXPECT_EQ(SourcesOf(report).disk_bytes, 0U);
  EXPECT_EQ(SourcesOf(report).network_bytes, 120U);
}

TEST(MetricMerge, SamplesOfOneMetricStandTogether) {
  MetricMerge merge;
  merge.Add("# HELP a First.\n# TYPE a counter\na{m=\"1\"} 1\n# HELP b Other.\n# TYPE b histogram\nb_sum{m=\"1\"} 2\n");
  merge.Add(
      "# HELP b Told otherwise.\n# TYPE b histogram\nb_sum{m=\"2\"} 3\n# HELP a First.\n# TYPE a counter\na{m=\"2\"} "
      "4\n");
  EXPECT_EQ(merge.Format(),
            "# HELP a First.\n# TYPE a counter\na{m=\"1\"} 1\na{m=\"2\"} 4\n"
            "# HELP b Other.\n# TYPE b histogram\nb_sum{m=\"1\"} 2\nb_sum{m=\"2\"} 3\n");
}

TEST(MetricMerge, LinesOfNoMetricAreLeftOut) {
  MetricMerge merge;
  merge.Add("stray 1\n# HELP a First.\n# TYPE a counter\n# a remark\na 1\nother 2\n");
  EXPECT_EQ(merge.Format(), "# HELP a First.\n# TYPE a counter\na 1\n");
}

}  // namespace
}  // namespace quire
