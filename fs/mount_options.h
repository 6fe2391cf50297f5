// What `-o` means: one table of options, for the command line, fstab and mount(8) alike.
#pragma once

#include <spdlog/common.h>

#include <span>
#include <string>

#include "format/result.h"

namespace quire {

struct MountOptions {
  bool allow_other = false;          // everyone may use the mount, as far as the modes let them
  bool allow_root = false;           // root may use it beside the user who mounted
  bool default_permissions = false;  // the kernel checks modes and owners; always on when others are let in
  // Each request occupies a thread while it waits for the disk: more threads than cores keep a disk's queue filled.
  unsigned threads = 16;
  spdlog::level::level_enum log_level = spdlog::level::info;

  bool operator==(const MountOptions&) const = default;
};

// `lists` are the arguments of each -o: options separated by commas, later ones win. kInvalid names the option at
// fault, and for an unknown one the nearest that exists.
Result<MountOptions> ParseMountOptions(std::span<const std::string> lists);

}  // namespace quire
