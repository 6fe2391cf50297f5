// SPDX-License-Identifier: Apache-2.0
// What `-o` means: one table of options, for the command line, fstab and mount(8), and for the texts that list them.
#pragma once

#include <spdlog/common.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cache/cache_options.h"
#include "cache/remote/remote_options.h"
#include "format/pack/volume_files.h"
#include "format/result.h"

namespace quire {

// kAuto: io_uring where it can be had and pays. kUring: an error where it cannot be had.
enum class Transport : uint8_t { kAuto, kDev, kUring };

inline constexpr ChoiceNames<Transport, 3> kTransportNames = {{
    {"auto", Transport::kAuto},
    {"dev", Transport::kDev},
    {"uring", Transport::kUring},
}};

// Owners and modes that a mount shows instead of those in the pack, where they are set.
struct AttributeOverrides {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<mode_t> file_mask;       // regular files have the mode 0777 without these bits
  std::optional<mode_t> directory_mask;  // as have directories; symlinks keep theirs, which nobody looks at

  bool operator==(const AttributeOverrides&) const = default;
};

// In place of a path: beside the archive.
inline constexpr std::string_view kIndexBeside = "beside";

struct MountOptions {
  bool allow_other = false;                    // everyone may use the mount, as far as the modes let them
  bool allow_root = false;                     // root may use it beside the user who mounted
  bool default_permissions = false;            // the kernel checks modes and owners; always on when others are let in
  bool control_for_all = false;                // and `.quire`: plans and figures
  bool exec = true;                            // programs may be run from the mount
  bool suid = false;                           // and take on their owner's rights; only root can ask for that
  bool dev = false;                            // device nodes would work; only root can ask for that
  bool nofail = false;                         // for mount(8)'s helper: no error where there is no pack
  std::vector<std::string> security_contexts;  // context=... and its kin, for SELinux, as they were given
  AttributeOverrides overrides;
  VolumePlaces volumes;     // that the pack's other volumes may lie in; absolute
  std::string index;        // of archives: where it lies; empty: in the user's cache
  RemoteOptions remote;     // of a pack that is read by a URL
  bool verify = false;      // all samples are compared with their sums before they are mounted
  uint64_t generation = 0;  // of the pack; 0: the newest when it is mounted
  bool follow = false;      // and each later one, while it is mounted
  std::string subdir;       // of the pack, as the root of the mount; empty: the pack's root
  // A read that takes so long is called slow. A second: behind that of every hundredth read of a busy disk (7 ms with 8
  // readers, RESULTS-cold.md) and of a far server with its repeats, and what a training step would notice. 0: none is.
  std::chrono::milliseconds slow{1000};
  std::chrono::seconds idle_timeout{0};  // unmounts when nobody used the mount for so long; 0: never
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
  std::string log_file;  // empty: stderr in the foreground, syslog in the background

  bool operator==(const MountOptions&) const = default;
};

// How mount(8) differs from a person.
struct MountOptionRules {
  bool ignore_unknown = false;  // `mount -s`
  bool ignore_rw = false;       // which mount(8) hands to its helpers wherever nobody said ro
};

// `lists` are the arguments of each -o: options separated by commas, later ones win. A part in double quotes may hold
// commas, as in context="a:b,c" (mount(8)). kInvalid names the option at fault, and for an unknown one the nearest that
// exists.
Result<MountOptions> ParseMountOptions(std::span<const std::string> lists, MountOptionRules rules = {});

// What the table says of an option, for --help, the manual page and completion.
struct MountOptionDescription {
  std::string_view name;   // "x-*": all that begin so
  std::string_view value;  // "SIZE" or "on|off", the choices; "" for a flag
  std::string_view group;  // a heading; those of one group follow each other
  std::string_view text;   // a sentence or two, without markup; "" where the name says it all
};
std::span<const MountOptionDescription> DescribeMountOptions();

// The table as text for a terminal of `columns`: groups, and in each the options with their texts.
std::string FormatMountOptions(size_t columns);

}  // namespace quire
