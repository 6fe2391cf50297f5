// SPDX-License-Identifier: Apache-2.0
// The table behind mount_options.h: each option once, with what it does and what is said of it.
#pragma once

#include <span>
#include <string_view>

#include "format/result.h"
#include "fs/options/mount_options.h"

namespace quire {

struct MountOptionEntry {
  MountOptionDescription description;
  // Sets what the option says. `name` is as it was given, `value` "" for a flag.
  Result<void> (*apply)(MountOptions& options, std::string_view name, std::string_view value);
};

std::span<const MountOptionEntry> MountOptionTable();

// That of 'rw', whose refusal MountOptionRules can lift.
inline constexpr std::string_view kWritableOption = "rw";
// That whose refusal comes before all others.
inline constexpr std::string_view kRemountOption = "remount";

}  // namespace quire
