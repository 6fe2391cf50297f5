// SPDX-License-Identifier: Apache-2.0
// How much memory this process may really use: the machine's, or what its control groups leave of it. In a container
// or a batch job the machine's own figure is a wrong answer that ends with the out-of-memory killer.
#pragma once

#include <cstdint>
#include <string>

#include "format/result.h"

namespace quire {

struct MemoryLimit {
  uint64_t bytes = 0;
  std::string source;  // who sets it, for messages: "this machine", "cgroup /slurm/job_7"
};

// The smallest of MemTotal, every memory limit from this process's control group up to the root (v1:
// memory.limit_in_bytes of the memory controller; v2: memory.max and memory.high), and the soft RLIMIT_AS and
// RLIMIT_DATA. What cannot be read does not limit; an error only where not even MemTotal can be read. `root` is
// prepended to /proc and /sys/fs/cgroup, for tests. cgroups(7), proc(5).
Result<MemoryLimit> FindMemoryLimit(const std::string& root = "");

// The same without RLIMIT_AS and RLIMIT_DATA, which bound no page cache: how much the kernel may keep of what this
// process reads.
Result<MemoryLimit> FindCacheLimit(const std::string& root = "");

// MemTotal alone.
Result<MemoryLimit> FindMachineMemory(const std::string& root = "");

}  // namespace quire
