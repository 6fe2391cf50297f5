// SPDX-License-Identifier: Apache-2.0
// The form in which the control file `activity` tells who reads what, and how long operations take.
// packaging/man/quire-json.7.md is its contract with programs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "fs/trace/read_watch.h"

namespace quire {

// A JSON object in one line, with a newline at its end. `name_folder`: the path of a folder below the mount's root, ""
// for that; nothing where it cannot be told, and then the folder is left out. `pid_namespace`: PidNamespace of the
// process that mounted.
std::string FormatActivity(const WatchFigures& figures, uint64_t pid_namespace,
                           const std::function<std::optional<std::string>(uint64_t node)>& name_folder);

// The inode of the namespace in which this process, and with it the kernel's requests, number threads: what
// `stat -L /proc/self/ns/pid` tells; 0 where it cannot be known.
uint64_t PidNamespace();

}  // namespace quire
