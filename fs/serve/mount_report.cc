// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/mount_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "fs/json_text.h"
#include "fs/serve/latency_json.h"

namespace quire {
namespace {

constexpr int kStatsSchema = 1;

// read_share: of what was pushed, as far as the control group tells.
Json PushJson(const FeedFigures& feed) {
  const PushFigures& push = feed.push;
  return {
      {"mode", NameOf(kPushNames, feed.mode)},
      {"is_pushing", feed.is_pushing},
      {"samples", feed.pushed_samples},
      {"bytes", feed.pushed_bytes},
      {"refused", feed.refused_pushes},
      {"dropped_samples", push.dropped_samples},
      {"pages", push.pages},
      {"handed_on_pages", push.handed_on_pages},
      {"control_pages", push.control_pages},
      {"control_pages_read", push.control_pages_read},
      {"read_share", push.control_pages == 0 ? Json()
                                             : Json(static_cast<double>(push.control_pages_read) /
                                                    static_cast<double>(push.control_pages))},
      {"pauses", push.pauses},
      {"is_paused", push.is_paused},
      {"is_memory_short", push.is_memory_short},
      {"available_bytes", push.available_bytes},
  };
}

Json PlanJson(const FeedFigures& feed) {
  const PlanFigures& plan = feed.plan;
  return {
      {"told", plan.told},
      {"unknown", feed.plan_unknown},
      {"ignored", plan.ignored},
      {"prefetched", plan.prefetched},
      {"overtaken", plan.overtaken},
      {"expected_reads", plan.expected_reads},
      {"unexpected_reads", plan.unexpected_reads},
      {"forgotten_plans", plan.forgotten_plans},
      {"ahead", plan.ahead},
      {"left", plan.left},
      {"memory_bytes", plan.memory_bytes},
  };
}

constexpr uint64_t kNsPerUs = 1000;

// Microseconds by where they went.
Json StagesJson(const std::array<uint64_t, kReadStages>& stage_ns, uint64_t total_ns) {
  Json stages;
  uint64_t known_ns = 0;
  for (size_t i = 0; i < kReadStages; ++i) {
    stages[fmt::format("{}_us", NameOf(static_cast<ReadStage>(i)))] = stage_ns[i] / kNsPerUs;
    known_ns += stage_ns[i];
  }
  stages["rest_us"] = (total_ns - std::min(total_ns, known_ns)) / kNsPerUs;
  stages["total_us"] = total_ns / kNsPerUs;
  return stages;
}

Json WaitsJson(const WaitFigures& waits) {
  Json document = StagesJson(waits.stage_ns, waits.total_ns);
  document["latency"] = LatencyJson(waits.reads_by_us, "reads");
  return document;
}

Json SlowJson(const WaitFigures& waits) {
  Json document = {{"threshold_ms", waits.slow_ms}, {"reads", waits.slow_reads}};
  document.update(StagesJson(waits.slow_stage_ns, waits.slow_total_ns));
  return document;
}

Json FollowJson(const FollowFigures& follow) {
  Json document = {{"taken", follow.taken}, {"trouble", nullptr}};
  if (!follow.trouble.empty()) SetName(document, "trouble", follow.trouble);
  return document;
}

Json SourcesJson(const SourceFigures& sources) {
  return {{"kernel_bytes", sources.kernel_bytes}, {"memory_bytes", sources.memory_bytes},
          {"tier_bytes", sources.tier_bytes},     {"peers_bytes", sources.peers_bytes},
          {"disk_bytes", sources.disk_bytes},     {"network_bytes", sources.network_bytes}};
}

}  // namespace

// What a tier gave and what was fetched to it ahead is known of it alone; of packs far away the index is read through
// it as well.
SourceFigures SourcesOf(const MountReport& report) {
  SourceFigures sources = {.kernel_bytes = report.feed.pushed_bytes, .memory_bytes = report.cache[Counter::kHitBytes]};
  const TierFigures tier = report.tier.value_or(TierFigures());
  sources.tier_bytes = tier.read_bytes;
  sources.peers_bytes = tier.peers ? tier.peers->read_bytes : 0;
  if (report.remote) {
    sources.network_bytes = report.remote->bytes;
  } else {
    const uint64_t read_bytes = report.cache[Counter::kVolumeBytes];
    const uint64_t brought_bytes = read_bytes + tier.fetched_bytes;
    sources.disk_bytes = brought_bytes - std::min(brought_bytes, sources.tier_bytes + sources.peers_bytes);
  }
  return sources;
}

std::string FormatReport(const MountReport& report) {
  const CacheStats& cache = report.cache;
  Json counters;
  for (size_t i = 0; i < kCounters; ++i) counters[NameOf(static_cast<Counter>(i))] = cache.counters[i];
  const auto reads = static_cast<double>(cache.reads());
  Json document = NewDocument(kStatsSchema);
  SetName(document, "pack", report.pack_path);
  SetName(document, "mount_point", report.mount_point);
  document.update(Json{
      {"generation", report.generation},
      {"follow", report.follow ? FollowJson(*report.follow) : Json()},
      {"uptime_s", report.uptime_s},
      {"transport", report.transport},
      {"parked_requests", report.parked_requests},
      {"failed_requests", report.failed_requests},
      {"cache", report.cache_lines},
      {"slots", cache.slots},
      {"resident_pages", cache.resident_pages},
      {"hit_ratio", reads == 0 ? Json() : Json(static_cast<double>(cache[Counter::kHits]) / reads)},
      {"sources", SourcesJson(SourcesOf(report))},
      {"waits", WaitsJson(report.waits)},
      {"slow", SlowJson(report.waits)},
      {"counters", std::move(counters)},
      {"cost_model",
       {{"ns_per_byte", static_cast<double>(cache.ns_per_byte_x1000) / 1000},
        {"ns_per_request", cache.ns_per_request}}},
      {"fill_latency", LatencyJson(cache.fill_latency_us, "fills")},
      {"push", PushJson(report.feed)},
      {"plan", PlanJson(report.feed)},
  });
  if (const auto& remote = report.remote)
    document["remote"] = {{"requests", remote->requests},
                          {"retries", remote->retries},
                          {"bytes", remote->bytes},
                          {"failures", remote->failures},
                          {"hedged", remote->hedged},
                          {"window", remote->window},
                          {"in_flight", remote->in_flight},
                          {"latency_p50_us", remote->latency_p50.count()},
                          {"latency_p99_us", remote->latency_p99.count()}};
  if (const auto& tier = report.tier)
    document["tier"] = {
        {"taken_bytes", tier->taken_bytes}, {"most_bytes", tier->most_bytes}, {"reads", tier->reads},
        {"read_bytes", tier->read_bytes},   {"kept_bytes", tier->kept_bytes}, {"fetched_bytes", tier->fetched_bytes},
        {"wrong_bytes", tier->wrong_bytes}, {"waits", tier->waits},           {"faults", tier->faults}};
  if (report.tier && report.tier->peers)
    document["peers"] = {{"reads", report.tier->peers->reads},
                         {"read_bytes", report.tier->peers->read_bytes},
                         {"wrong_bytes", report.tier->peers->wrong_bytes},
                         {"waits", report.tier->peers->waits},
                         {"faults", report.tier->peers->faults}};
  return FormatJson(document) + "\n";
}

}  // namespace quire
