// What the figures of `quire bench formats` say: medians, result rows, sentences, tables and charts. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/bench/formats_contest.h"
#include "tools/bench/report.h"

namespace quire::bench {

// The formats by the names that results carry.
inline constexpr const char* kFiles = "files";
inline constexpr const char* kTar = "tar";
inline constexpr const char* kZip = "zip";
inline constexpr const char* kLmdb = "lmdb";
inline constexpr const char* kPack = "pack";
inline constexpr const char* kMount = "mount";  // the same pack

struct BuildFigures {
  std::string format;
  double seconds = 0;  // with syncing
  uint64_t bytes = 0;  // on disk
};

struct FormatsFigures {
  uint64_t samples = 0;  // that every format holds
  uint64_t bytes = 0;
  uint64_t found = 0;  // samples to choose from
  uint64_t left_out = 0;
  std::string first_left_out = {};
  unsigned threads = 1;
  std::vector<BuildFigures> builds = {};
  std::vector<ReadFigures> reads = {};
  std::string why_no_mount = {};  // empty: it was measured
};

// Medians over the repeats of one ReadFigures.
struct ReadSummary {
  std::string format;
  std::string order;
  std::string cache;
  double samples_per_second = 0;
  double bytes_per_second = 0;
  double latency_p50_seconds = 0;
  double latency_p99_seconds = 0;
  double reader_cpu_seconds = 0;
  std::optional<double> daemon_cpu_seconds = {};
  double disk_bytes = 0;
  size_t repeats = 0;
  size_t cut = 0;  // epochs that did not come to their end
  uint64_t failures = 0;
  std::string first_failure = {};
};

ReadSummary SummarizeReads(const ReadFigures& figures);

// The sentences, the most useful first.
std::vector<std::string> FormatsInsights(const FormatsFigures& figures);

// Fills results, insights, tables and charts.
void AddFormatsFigures(const FormatsFigures& figures, Report& report);

}  // namespace quire::bench
