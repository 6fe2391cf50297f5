// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/metrics.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "format/escaping.h"

namespace quire {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr double kUsPerSecond = 1e6;
constexpr double kMsPerSecond = 1e3;

double Seconds(uint64_t ns) { return static_cast<double>(ns) / kNsPerSecond; }

std::string EscapeLabel(std::string_view value) {
  std::string escaped;
  for (const char byte : value) {
    if (byte == '\\' || byte == '"') escaped += '\\';
    escaped += byte;  // no newline: EscapeName leaves none
  }
  return escaped;
}

// Writes the samples of one metric.
class Samples {
 public:
  Samples(std::string_view metric, std::string_view labels, std::string& text)
      : metric_(metric), labels_(labels), text_(text) {}

  void Add(uint64_t value) { Line("", "", fmt::to_string(value)); }
  void Add(double value) { Line("", "", fmt::to_string(value)); }
  void Add(bool value) { Line("", "", value ? "1" : "0"); }
  // With a label of its own, as in `source="disk"`.
  void Add(std::string_view label, uint64_t value) { Line("", label, fmt::to_string(value)); }
  void Add(std::string_view label, double value) { Line("", label, fmt::to_string(value)); }

  void AddStages(const std::array<uint64_t, kReadStages>& stage_ns) {
    for (size_t i = 0; i < kReadStages; ++i)
      Add(fmt::format("stage=\"{}\"", NameOf(static_cast<ReadStage>(i))), Seconds(stage_ns[i]));
  }

  // Buckets of doubling microseconds (cache_stats.h).
  void AddHistogram(const std::array<uint64_t, kLatencyBuckets>& counts, uint64_t total_ns) {
    uint64_t sum = 0;
    for (size_t i = 0; i + 1 < kLatencyBuckets; ++i) {
      sum += counts[i];
      const double below_s = static_cast<double>(uint64_t{1} << (i + 1)) / kUsPerSecond;
      Line("_bucket", fmt::format("le=\"{}\"", below_s), fmt::to_string(sum));
    }
    sum += counts.back();
    Line("_bucket", "le=\"+Inf\"", fmt::to_string(sum));
    Line("_sum", "", fmt::to_string(Seconds(total_ns)));
    Line("_count", "", fmt::to_string(sum));
  }

 private:
  void Line(std::string_view suffix, std::string_view label, std::string_view value) {
    fmt::format_to(std::back_inserter(text_), "{}{}{{{}{}{}}} {}\n", metric_, suffix, labels_, label.empty() ? "" : ",",
                   label, value);
  }

  const std::string_view metric_;
  const std::string_view labels_;
  std::string& text_;
};

using Report = MountReport;

struct Metric {
  MetricDescription description;
  void (*add)(Samples& samples, const Report& report);  // adds none where there is nothing to tell
};

template <Counter kCounter>
void AddCounter(Samples& samples, const Report& report) {
  samples.Add(report.cache[kCounter]);
}

template <auto kField>
void AddRemote(Samples& samples, const Report& report) {
  if (report.remote) samples.Add(uint64_t{(*report.remote).*kField});
}

template <auto kField>
void AddTier(Samples& samples, const Report& report) {
  if (report.tier) samples.Add(uint64_t{(*report.tier).*kField});
}

template <auto kField>
void AddPeers(Samples& samples, const Report& report) {
  if (report.tier && report.tier->peers) samples.Add(uint64_t{(*report.tier->peers).*kField});
}

template <auto kField>
void AddFeed(Samples& samples, const Report& report) {
  samples.Add(report.feed.*kField);
}

template <auto kField>
void AddPush(Samples& samples, const Report& report) {
  samples.Add(report.feed.push.*kField);
}

template <auto kField>
void AddPlan(Samples& samples, const Report& report) {
  samples.Add(report.feed.plan.*kField);
}

constexpr std::string_view kCounterType = "counter";
constexpr std::string_view kGaugeType = "gauge";
constexpr std::string_view kHistogramType = "histogram";
constexpr std::string_view kSummaryType = "summary";

constexpr auto kMetrics = std::to_array<Metric>({
    {{"quire_mount_info", kGaugeType, "1; the label version is the release that serves the mount."},
     [](Samples& samples, const Report&) { samples.Add("version=\"" QUIRE_VERSION "\"", uint64_t{1}); }},
    {{"quire_uptime_seconds", kGaugeType, "Seconds since the pack was mounted."},
     [](Samples& samples, const Report& report) { samples.Add(report.uptime_s); }},
    {{"quire_failed_requests_total", kCounterType,
      "Requests that were answered by an error that is a fault, such as EIO."},
     [](Samples& samples, const Report& report) { samples.Add(report.failed_requests); }},
    {{"quire_verify_failures_total", kCounterType,
      "How often bytes did not match their sum; those that were right when they were read again count too."},
     AddCounter<Counter::kVerifyFailures>},
    {{"quire_read_errors_total", kCounterType, "Reads of the pack that failed or ended early."},
     AddCounter<Counter::kReadErrors>},

    {{"quire_source_bytes_total", kCounterType,
      "Bytes by where they came from: kernel (given to it before anybody asked), memory (of the mount), tier, peers "
      "(neighbours' tiers), disk or network."},
     [](Samples& samples, const Report& report) {
       const SourceFigures sources = SourcesOf(report);
       samples.Add("source=\"kernel\"", sources.kernel_bytes);
       samples.Add("source=\"memory\"", sources.memory_bytes);
       samples.Add("source=\"tier\"", sources.tier_bytes);
       samples.Add("source=\"peers\"", sources.peers_bytes);
       samples.Add("source=\"disk\"", sources.disk_bytes);
       samples.Add("source=\"network\"", sources.network_bytes);
     }},
    {{"quire_reads_total", kCounterType,
      "Reads of extents by how they were answered: hit (from memory at once), joined (by a read of the disk under "
      "way), "
      "fill (by reading their page) or bypass (by reading them alone)."},
     [](Samples& samples, const Report& report) {
       samples.Add("answer=\"hit\"", report.cache[Counter::kHits]);
       samples.Add("answer=\"joined\"", report.cache[Counter::kJoined]);
       samples.Add("answer=\"fill\"", report.cache[Counter::kFillMisses]);
       samples.Add("answer=\"bypass\"", report.cache[Counter::kBypasses]);
     }},
    {{"quire_missed_bytes_total", kCounterType, "Bytes of the extents that had to be read when they were asked for."},
     AddCounter<Counter::kMissedBytes>},

    {{"quire_parked_reads", kGaugeType, "Reads that wait for the disk or the network now."},
     [](Samples& samples, const Report& report) { samples.Add(report.parked_requests); }},
    {{"quire_read_wait_seconds", kHistogramType, "How long reads took that were not answered from memory at once."},
     [](Samples& samples, const Report& report) {
       samples.AddHistogram(report.waits.reads_by_us, report.waits.total_ns);
     }},
    {{"quire_read_wait_stage_seconds_total", kCounterType,
      "Where that time went: queue, volume (the disk or the network), tier, peers, decode, check or reply."},
     [](Samples& samples, const Report& report) { samples.AddStages(report.waits.stage_ns); }},
    {{"quire_slow_reads_total", kCounterType, "Reads that took as long as slow_ms says, or longer."},
     [](Samples& samples, const Report& report) { samples.Add(report.waits.slow_reads); }},
    {{"quire_slow_read_stage_seconds_total", kCounterType, "Where the time of slow reads went."},
     [](Samples& samples, const Report& report) { samples.AddStages(report.waits.slow_stage_ns); }},
    {{"quire_slow_read_threshold_seconds", kGaugeType, "What is called slow; 0: nothing."},
     [](Samples& samples, const Report& report) {
       samples.Add(static_cast<double>(report.waits.slow_ms) / kMsPerSecond);
     }},

    {{"quire_slots", kGaugeType, "Pages of 2 MiB for which there is memory."},
     [](Samples& samples, const Report& report) { samples.Add(report.cache.slots); }},
    {{"quire_resident_pages", kGaugeType, "Pages of 2 MiB that are in memory."},
     [](Samples& samples, const Report& report) { samples.Add(report.cache.resident_pages); }},
    {{"quire_filled_pages_total", kCounterType, "Pages that were read whole, those read ahead included."},
     AddCounter<Counter::kFilledPages>},
    {{"quire_fill_seconds", kHistogramType, "Time from the request of a page to its last byte."},
     [](Samples& samples, const Report& report) {
       samples.AddHistogram(report.cache.fill_latency_us, report.cache.fill_total_ns);
     }},
    {{"quire_evicted_pages_total", kCounterType, "Pages that made room for others."},
     AddCounter<Counter::kEvictedPages>},
    {{"quire_swept_pages_total", kCounterType,
      "Pages that nobody had asked for, read because all of the pack is being read."},
     AddCounter<Counter::kSweptPages>},
    {{"quire_prefetched_pages_total", kCounterType, "Pages that were read ahead of a sequential run."},
     AddCounter<Counter::kPrefetchedPages>},
    {{"quire_prefetched_pages_used_total", kCounterType, "Of these, those that a reader came to."},
     AddCounter<Counter::kPrefetchedUsed>},
    {{"quire_prefetched_pages_wasted_total", kCounterType, "Of these, those that were gone before."},
     AddCounter<Counter::kPrefetchedWasted>},
    {{"quire_memory_waits_total", kCounterType, "Reads that had to wait for memory."}, AddCounter<Counter::kParked>},
    {{"quire_volume_reads_total", kCounterType, "Reads of the pack or its archives."},
     AddCounter<Counter::kVolumeReads>},
    {{"quire_volume_bytes_total", kCounterType, "What these brought, from the tier too."},
     AddCounter<Counter::kVolumeBytes>},

    {{"quire_pushing", kGaugeType, "Whether samples are pushed into the kernel's page cache: 1 or 0."},
     AddFeed<&FeedFigures::is_pushing>},
    {{"quire_pushed_samples_total", kCounterType, "Samples that were pushed."}, AddFeed<&FeedFigures::pushed_samples>},
    {{"quire_refused_pushes_total", kCounterType, "Samples that the kernel had no room or no name for."},
     AddFeed<&FeedFigures::refused_pushes>},
    {{"quire_dropped_samples_total", kCounterType, "Samples that were pushed, and asked for by a reader all the same."},
     AddPush<&PushFigures::dropped_samples>},
    {{"quire_handed_on_pages_total", kCounterType, "Pages of which the kernel had nearly all when they were pushed."},
     AddPush<&PushFigures::handed_on_pages>},
    {{"quire_pushed_read_ratio", kGaugeType, "The part of what was pushed that was read, as far as can be told."},
     [](Samples& samples, const Report& report) {
       const PushFigures& push = report.feed.push;
       if (push.control_pages > 0)
         samples.Add(static_cast<double>(push.control_pages_read) / static_cast<double>(push.control_pages));
     }},
    {{"quire_push_paused", kGaugeType, "Whether pushing backs off now, since too much was dropped unread: 1 or 0."},
     AddPush<&PushFigures::is_paused>},
    {{"quire_memory_short", kGaugeType, "Whether memory was short when it was last looked at: 1 or 0."},
     AddPush<&PushFigures::is_memory_short>},
    {{"quire_available_memory_bytes", kGaugeType, "Memory that could still be used when it was last looked at."},
     AddPush<&PushFigures::available_bytes>},

    {{"quire_plan_told_samples_total", kCounterType, "Samples that plans named."}, AddPlan<&PlanFigures::told>},
    {{"quire_plan_prefetched_samples_total", kCounterType, "Samples of plans that were gone through ahead of readers."},
     AddPlan<&PlanFigures::prefetched>},
    {{"quire_plan_overtaken_samples_total", kCounterType, "Samples of plans that readers came to before."},
     AddPlan<&PlanFigures::overtaken>},
    {{"quire_plan_expected_reads_total", kCounterType, "Reads that followed a plan."},
     AddPlan<&PlanFigures::expected_reads>},
    {{"quire_plan_unexpected_reads_total", kCounterType, "Reads that did not, while there was one."},
     AddPlan<&PlanFigures::unexpected_reads>},
    {{"quire_plan_forgotten_total", kCounterType, "Plans that were given up, as the readers had left them."},
     AddPlan<&PlanFigures::forgotten_plans>},
    {{"quire_plan_samples_left", kGaugeType, "Samples of plans that are still to come."}, AddPlan<&PlanFigures::left>},

    {{"quire_remote_requests_total", kCounterType, "Requests to the server."}, AddRemote<&RemoteFigures::requests>},
    {{"quire_remote_retries_total", kCounterType, "Of these, those made for what one before did not bring."},
     AddRemote<&RemoteFigures::retries>},
    {{"quire_remote_hedged_requests_total", kCounterType, "Of these, those made beside one that was late."},
     AddRemote<&RemoteFigures::hedged>},
    {{"quire_remote_failures_total", kCounterType, "Reads of the server that ended with an error."},
     AddRemote<&RemoteFigures::failures>},
    {{"quire_remote_window", kGaugeType, "Requests that may be in flight at once."}, AddRemote<&RemoteFigures::window>},
    {{"quire_remote_requests_in_flight", kGaugeType, "Requests that are in flight."},
     AddRemote<&RemoteFigures::in_flight>},
    {{"quire_remote_answer_seconds", kSummaryType, "How long answers of late took; 0 before the first."},
     [](Samples& samples, const Report& report) {
       if (!report.remote) return;
       samples.Add("quantile=\"0.5\"", static_cast<double>(report.remote->latency_p50.count()) / kUsPerSecond);
       samples.Add("quantile=\"0.99\"", static_cast<double>(report.remote->latency_p99.count()) / kUsPerSecond);
     }},

    {{"quire_tier_taken_bytes", kGaugeType, "What all users of the tier have in it."},
     AddTier<&TierFigures::taken_bytes>},
    {{"quire_tier_limit_bytes", kGaugeType, "What this mount lets them have."}, AddTier<&TierFigures::most_bytes>},
    {{"quire_tier_reads_total", kCounterType, "Reads that the tier answered."}, AddTier<&TierFigures::reads>},
    {{"quire_tier_kept_bytes_total", kCounterType, "Bytes that this mount brought to the tier."},
     AddTier<&TierFigures::kept_bytes>},
    {{"quire_tier_fetched_bytes_total", kCounterType, "Of these, those brought before anybody asked."},
     AddTier<&TierFigures::fetched_bytes>},
    {{"quire_tier_wrong_bytes_total", kCounterType, "Bytes of the tier that were not what had been kept."},
     AddTier<&TierFigures::wrong_bytes>},
    {{"quire_tier_waits_total", kCounterType, "Waits for pages that another process fetches."},
     AddTier<&TierFigures::waits>},
    {{"quire_tier_faults_total", kCounterType, "Faults of the tier's disk or its lock."},
     AddTier<&TierFigures::faults>},
    {{"quire_peer_reads_total", kCounterType, "Reads that neighbours' tiers answered."}, AddPeers<&PeerFigures::reads>},
    {{"quire_peer_wrong_bytes_total", kCounterType, "Bytes of neighbours that had not the sums that came with them."},
     AddPeers<&PeerFigures::wrong_bytes>},
    {{"quire_peer_waits_total", kCounterType, "Waits for pages that a neighbour was fetching."},
     AddPeers<&PeerFigures::waits>},
    {{"quire_peer_faults_total", kCounterType, "Requests to neighbours without an answer."},
     AddPeers<&PeerFigures::faults>},
});

}  // namespace

std::span<const MetricDescription> DescribeMetrics() {
  static const auto descriptions = [] {
    std::vector<MetricDescription> list;
    for (const Metric& metric : kMetrics) list.push_back(metric.description);
    return list;
  }();
  return descriptions;
}

std::string FormatMountLabels(std::string_view mount_point, std::string_view source) {
  return fmt::format("mount_point=\"{}\",pack=\"{}\"", EscapeLabel(EscapeName(mount_point)),
                     EscapeLabel(EscapeName(source)));
}

std::string FormatMetrics(const MountReport& report) {
  const std::string labels = FormatMountLabels(report.mount_point, report.source);
  std::string text;
  for (const auto& [description, add] : kMetrics) {
    std::string lines;
    Samples samples(description.name, labels, lines);
    add(samples, report);
    if (lines.empty()) continue;
    fmt::format_to(std::back_inserter(text), "# HELP {0} {1}\n# TYPE {0} {2}\n", description.name, description.help,
                   description.type);
    text += lines;
  }
  return text;
}

}  // namespace quire
