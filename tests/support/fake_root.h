// SPDX-License-Identifier: Apache-2.0
// Folders that look like /proc and /sys/fs/cgroup, for tests of what reads them.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/memory_tree.h"

namespace quire {

inline constexpr const char* kV1Mounts =
    "35 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "36 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
inline constexpr const char* kV2Mounts =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
inline constexpr const char* kV1Unlimited = "9223372036854771712\n";  // 0x7FFFFFFFFFFFF000

// A root folder with as much of /proc and of control groups as a test puts there; it begins with 8 GiB of memory.
class FakeRoot {
 public:
  FakeRoot() { Put("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1000000 kB\n"); }
  // A file that exists keeps its inode: who has it open reads the new text.
  void Put(const std::string& path, const std::string& text) const {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  [[nodiscard]] std::string path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace quire
