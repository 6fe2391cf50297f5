// SPDX-License-Identifier: Apache-2.0
// What a figure was measured on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fs/mounts/mount_table.h"

namespace quire::bench {

struct Machine {
  std::string date;  // "2026-11-22 01:30 UTC"
  std::string host;
  std::string kernel;  // "Linux 6.18.44"
  std::string distribution;
  std::string processor;
  unsigned cores = 0;               // that this process may use
  uint64_t memory_bytes = 0;        // of the machine
  uint64_t memory_limit_bytes = 0;  // of this process's cgroup; 0 when there is none below memory_bytes
  std::string file_system;          // of the path: "ext4", "fuse.quire"
  std::string device;               // mount source of the path: "/dev/vda", "/data/x.quire"
  std::string quire_version;
};

// The mount that `path` lies on; empty when it cannot be told. Asks the file system under `path`.
std::optional<MountEntry> MountUnder(const std::string& path);

// What cannot be found out stays empty or 0.
Machine DescribeMachine(const std::string& path);

}  // namespace quire::bench
