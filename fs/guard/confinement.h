// SPDX-License-Identifier: Apache-2.0
// What a daemon may still do, as its threads are told before they touch a byte of the pack: privileges.h and
// path_filter.h together, and, once all threads run, syscall_filter.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/remote/remote_options.h"
#include "cache/tier/tier_options.h"
#include "format/pack/volume_files.h"

namespace quire {

// What the daemon opens while it serves, besides what all daemons do: /proc, its control groups, /dev/fuse.
struct DaemonFiles {
  VolumeFds volumes = {};                     // of the pack
  std::string mount_point = {};               // for `.quire/plan`; empty before the mount is there
  std::string log_file = {};                  // opened anew at SIGHUP, a link followed; empty where there is none
  std::string kernel_switch = {};             // a file of /sys that is to be written to, or empty
  std::optional<RemoteOptions> remote = {};   // of a pack that is read from a server
  std::vector<std::string> key_folders = {};  // whose files tell the keys for that server, or none
  TierOptions tier = {};                      // of which the directory, and the neighbours, if it has any
};

// What came of it, in words for the log.
struct Confinement {
  std::string privileges;
  std::string files;
};

// For this thread and those that it starts, for good.
Confinement ConfineThread(const DaemonFiles& files);

}  // namespace quire
