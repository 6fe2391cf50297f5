// SPDX-License-Identifier: Apache-2.0
// What a mount has to tell of how it fares, and the form in which the control file `stats` tells it; metrics.h has
// another form. packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_stats.h"
#include "cache/remote/remote_object.h"
#include "cache/tier/tier_volume.h"
#include "fs/feed/feed_figures.h"
#include "fs/follow/follower.h"
#include "fs/serve/read_waits.h"

namespace quire {

struct MountReport {
  std::string pack_path;
  std::string source;  // as it is listed among mounts
  std::string mount_point;
  uint64_t generation = 0;              // of the pack, that is shown
  std::optional<FollowFigures> follow;  // of a mount that follows its pack
  double uptime_s = 0;
  std::string transport;         // TransportChoice::Describe
  uint64_t parked_requests = 0;  // that wait for the disk now
  uint64_t failed_requests = 0;
  CacheStats cache;
  std::vector<std::string> cache_lines;  // SampleReader::Describe
  FeedFigures feed;
  WaitFigures waits;
  std::optional<RemoteFigures> remote;  // of a pack that is read by URL
  std::optional<TierFigures> tier;      // where there is one
};

// Bytes by where they came from, as far as the mount knows.
struct SourceFigures {
  uint64_t kernel_bytes = 0;   // given to the kernel before anybody asked
  uint64_t memory_bytes = 0;   // asked for, and in the mount's own memory
  uint64_t tier_bytes = 0;     // read of the tier
  uint64_t peers_bytes = 0;    // read of neighbours' tiers
  uint64_t disk_bytes = 0;     // read of the pack or its archives, inflated where they are deflated
  uint64_t network_bytes = 0;  // that came, and were of use
};
SourceFigures SourcesOf(const MountReport& report);

// A JSON object, indented, with a newline at its end.
std::string FormatReport(const MountReport& report);

}  // namespace quire
