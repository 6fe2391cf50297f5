// What the machine did meanwhile, and its caches.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire::bench {

double NowSeconds();  // CLOCK_MONOTONIC

// Read by all disks of the machine since it started (/proc/diskstats): whole disks, not partitions and not what is
// stacked on other devices (loop, dm, md, zram), so that nothing counts twice. 0 for network file systems.
uint64_t DiskBytesRead();

// User and system time of `processes` so far; those that are gone count 0.
double CpuSeconds(std::span<const pid_t> processes);

// The processes that serve the FUSE mount under `path`; empty where it is none, or where they cannot be seen (another
// user's without root, and kernels before 6.17, which do not tell the connection in /proc/PID/fdinfo).
std::vector<pid_t> FindFuseDaemons(const std::string& path);

// Empty when this process may call DropCaches; else why not, with a remedy.
std::optional<std::string> WhyNotDropCaches();

// Writes dirty data back and drops the page cache, dentries and inodes of the whole machine.
Result<void> DropCaches();

// posix_fadvise(DONTNEED) for the whole file at `path`.
Result<void> EvictFile(const std::string& path);

}  // namespace quire::bench
