// SPDX-License-Identifier: Apache-2.0
#include "fs/serve/mount_config.h"

#include <fmt/format.h>

#include "fs/json_text.h"

namespace quire {
namespace {

constexpr int kConfigSchema = 1;

Json Chosen(std::string_view asked, std::string_view chosen, std::string_view why) {
  return {{"asked", asked}, {"chosen", chosen}, {"why", why}};
}

Json TransportJson(const MountConfig& config) {
  const std::string_view chosen = NameOf(kTransportNames, config.transport.uring ? Transport::kUring : Transport::kDev);
  return Chosen(NameOf(kTransportNames, config.options.transport), chosen, config.transport.reason);
}

Json HugePagesJson(const MountConfig& config) {
  const HugePages asked = config.options.cache.huge;
  std::string why = config.reader.huge_note;
  if (why.empty()) why = asked == HugePages::kAuto ? "the best that there is" : "as asked";
  return Chosen(NameOf(kHugePagesNames, asked), NameOf(kHugePagesNames, config.reader.huge), why);
}

Json CacheJson(const MountConfig& config) {
  const CacheOptions& cache = config.options.cache;
  return {{"asked_bytes", cache.cache_bytes ? Json(*cache.cache_bytes) : Json()},
          {"most_bytes", config.reader.most_bytes},
          {"why", config.reader.most_bytes_reason},
          {"policy", NameOf(kPolicyNames, cache.policy)},
          {"admission", NameOf(kAdmissionNames, cache.admission)},
          {"readahead", cache.readahead}};
}

// "1000 bytes of samples, 4000 bytes of memory are available".
std::string Amounts(const MountConfig& config) {
  return fmt::format("{} bytes of samples, {} bytes of memory are available", config.sample_bytes,
                     config.feed.push.available_bytes);
}

std::string WhyResidency(const MountConfig& config) {
  if (config.feed.mode == PushMode::kOff) return "nothing is pushed into the kernel's page cache";
  return fmt::format("{} half of what is available: {}",
                     config.has_room ? "all samples fit into" : "not all samples fit into", Amounts(config));
}

std::string WhyPush(const MountConfig& config) {
  const PushFigures& push = config.feed.push;
  if (config.options.direct_io) return "direct_io: the kernel keeps no bytes";
  if (config.feed.mode == PushMode::kOff) return "as asked";
  if (!config.feed.is_pushing) return "this kernel takes nothing";
  if (config.feed.mode == PushMode::kOn) return "as asked";
  if (push.is_memory_short) return "memory is short: for now nothing is pushed";
  if (push.is_paused) return "too much was dropped unread: for now nothing is pushed";
  return config.has_room ? "all samples find room" : "not all samples find room: sequential runs and plans only";
}

Json PushJson(const MountConfig& config) {
  return Chosen(NameOf(kPushNames, config.options.push), config.feed.is_pushing ? "on" : "off", WhyPush(config));
}

Json SweepJson(const MountConfig& config) {
  const PushFigures& push = config.feed.push;
  const bool may = config.is_stream && config.feed.is_pushing && !push.is_memory_short && !push.is_paused;
  std::string why = "while reads are spread over all of the pack";
  if (!config.is_stream) {
    why = WhyResidency(config);
  } else if (!may) {
    why = WhyPush(config);
  }
  return {{"chosen", may ? "on" : "off"}, {"why", why}};
}

Json TierJson(const MountConfig& config) {
  const TierOptions& tier = config.options.cache.tier;
  Json document;
  SetName(document, "path", tier.directory);
  document["asked_bytes"] = tier.most_bytes ? Json(*tier.most_bytes) : Json();
  document["most_bytes"] = config.tier_bytes;
  document["why"] = tier.most_bytes ? "as asked" : "half of what its disk had free, and of what the tier held";
  document["prefetch"] = NameOf(kTierPrefetchNames, tier.prefetch);
  document["peers"] = tier.peers;
  document["limit_bytes_per_s"] = tier.prefetch_bytes_per_s == 0 ? Json() : Json(tier.prefetch_bytes_per_s);
  return document;
}

Json RemoteJson(const MountConfig& config) {
  const RemoteOptions& remote = config.options.remote;
  return {{"retry_s", remote.retry_s == RemoteOptions::kRetryForEver ? Json() : Json(remote.retry_s)},
          {"profile", remote.profile.empty() ? Json() : Json(remote.profile)},
          {"is_anonymous", remote.is_anonymous}};
}

}  // namespace

std::string FormatConfig(const MountConfig& config) {
  const MountOptions& options = config.options;
  Json document = NewDocument(kConfigSchema);
  SetName(document, "source", config.facts.source);
  SetName(document, "pack", config.pack_path);
  SetName(document, "mount_point", config.facts.mount_point);
  if (!options.subdir.empty()) SetName(document, "subdir", options.subdir);
  document["version"] = QUIRE_VERSION;
  document["threads"] = options.threads;
  document["direct_io"] = options.direct_io;
  document["readdirplus"] = options.readdirplus;
  document["slow_ms"] = options.slow.count();
  document["transport"] = TransportJson(config);
  document["huge_pages"] = HugePagesJson(config);
  document["io"] = {{"asked", NameOf(kIoNames, options.cache.io)}, {"chosen", config.reader.io}};
  document["cache"] = CacheJson(config);
  document["residency"] = {{"chosen", config.is_stream ? "stream" : "store"}, {"why", WhyResidency(config)}};
  document["sweep"] = SweepJson(config);
  document["push"] = PushJson(config);
  document["tier"] = options.cache.tier.directory.empty() ? Json() : TierJson(config);
  document["remote"] = config.is_remote ? RemoteJson(config) : Json();
  document["privileges"] = config.facts.privileges;
  document["files"] = config.facts.files;
  document["system_calls"] = config.facts.system_calls;
  return FormatJson(document) + "\n";
}

}  // namespace quire
