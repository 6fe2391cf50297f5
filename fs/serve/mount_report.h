// SPDX-License-Identifier: Apache-2.0
// What the control file `stats` tells of a mount. packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_stats.h"
#include "cache/remote/remote_object.h"
#include "cache/tier/tier_volume.h"
#include "fs/feed/feed_figures.h"

namespace quire {

struct MountReport {
  std::string pack_path;
  double uptime_s = 0;
  std::string transport;         // TransportChoice::Describe
  uint64_t parked_requests = 0;  // that wait for the disk now
  uint64_t failed_requests = 0;
  CacheStats cache;
  std::vector<std::string> cache_lines;  // SampleReader::Describe
  FeedFigures feed;
  std::optional<RemoteFigures> remote;  // of a pack that is read by URL
  std::optional<TierFigures> tier;      // where there is one
};

// A JSON object, indented, with a newline at its end.
std::string FormatReport(const MountReport& report);

}  // namespace quire
