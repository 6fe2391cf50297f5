// What `-o` means: one table of options, for the command line, fstab and mount(8) alike.
#pragma once

#include <spdlog/common.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "cache/cache_options.h"
#include "format/result.h"
#include "fs/feed_figures.h"
#include "fs/transport.h"

namespace quire {

struct MountOptions {
  bool allow_other = false;          // everyone may use the mount, as far as the modes let them
  bool allow_root = false;           // root may use it beside the user who mounted
  bool default_permissions = false;  // the kernel checks modes and owners; always on when others are let in
  // That answer requests. No thread waits for samples, so one a core is enough; two at least, because blocks of the
  // index are still waited for. Beyond 16 they would mostly wait for each other's wakeups.
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 2U, 16U);
  CacheOptions cache;
  PushMode push = PushMode::kAuto;        // of samples into the kernel's page cache, before they are asked for
  bool readdirplus = true;                // listings bring attributes along, which the kernel keeps
  bool direct_io = false;                 // the kernel keeps no bytes: the cache of the mount is the only one
  std::optional<unsigned> read_ahead_kb;  // of the kernel, within a file; empty: as it is
  Transport transport = Transport::kAuto;
  spdlog::level::level_enum log_level = spdlog::level::info;

  bool operator==(const MountOptions&) const = default;
};

// `lists` are the arguments of each -o: options separated by commas, later ones win. kInvalid names the option at
// fault, and for an unknown one the nearest that exists.
Result<MountOptions> ParseMountOptions(std::span<const std::string> lists);

}  // namespace quire
