// SPDX-License-Identifier: Apache-2.0
// What the control file `config` tells of a mount: what was asked for, what was chosen, and why.
// packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <string>

#include "cache/policy/residency.h"
#include "cache/sample_reader.h"
#include "fs/feed/feed_figures.h"
#include "fs/options/mount_options.h"
#include "fs/serve/transport.h"

namespace quire {

// What a mount knows of itself once it serves, and its file system could not find out.
struct MountFacts {
  std::string source;  // as it is listed among mounts
  std::string mount_point;
  // What the daemon gave up, in sentences (fs/guard).
  std::string privileges;
  std::string files;
  std::string system_calls;
};

struct MountConfig {
  MountFacts facts;
  std::string pack_path;
  MountOptions options;
  TransportChoice transport;
  ReaderChoices reader;
  FeedFigures feed;
  bool has_room = false;  // Residency
  bool is_stream = false;
  uint64_t sample_bytes = 0;
  bool is_remote = false;
  uint64_t tier_bytes = 0;  // that the tier may take; 0 without one
};

// A JSON object, indented, with a newline at its end.
std::string FormatConfig(const MountConfig& config);

}  // namespace quire
