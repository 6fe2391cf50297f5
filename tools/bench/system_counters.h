// SPDX-License-Identifier: Apache-2.0
// What the machine did meanwhile, and its caches.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/result.h"

namespace quire::bench {

double NowSeconds();  // CLOCK_MONOTONIC

// User and system time of the calling thread.
double ThreadCpuSeconds();
// That the calling thread was ready to run and had no core; below 0 where the kernel does not tell.
double ThreadRunQueueSeconds();

// User and system time of `processes` so far; empty where one of them is gone.
std::optional<double> CpuSeconds(std::span<const pid_t> processes);

struct ThreadTimes {
  double running_seconds = 0;
  double waiting_seconds = 0;  // ready to run, and without a core
};
// Of each thread of `processes` that is there, by its number; without those whose times the kernel does not tell.
std::map<pid_t, ThreadTimes> ThreadTimesOf(std::span<const pid_t> processes);

struct FuseDaemons {
  std::vector<pid_t> processes = {};
  std::string why_none = {};  // where there should be some and none can be seen
};

// The processes that serve the FUSE mount under `path`; nothing where it is none. They cannot be seen where they are
// another user's, without root, and on kernels before 6.17, which do not tell the connection in /proc/PID/fdinfo.
FuseDaemons FindFuseDaemons(const std::string& path);

// Empty when this process may call DropCaches; else why not, with a remedy.
std::optional<std::string> WhyNotDropCaches();

// Writes dirty data back and drops the page cache, dentries and inodes of the whole machine. Then the programs of this
// process and of `daemons` are read again: what is counted afterwards is data, and not code that is faulted in.
Result<void> DropCaches(std::span<const pid_t> daemons);

// posix_fadvise(DONTNEED) for the whole file at `path`.
Result<void> EvictFile(const std::string& path);

}  // namespace quire::bench
