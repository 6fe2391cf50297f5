// SPDX-License-Identifier: Apache-2.0
// Whether a data set is so much larger than memory that its storage is what is measured.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cache/memory/memory_limit.h"
#include "format/result.h"
#include "tools/bench/storage_watch.h"

namespace quire::bench {

// How many times as large as the memory that may hold it: with new random orders an epoch finds at most a fifth of its
// samples there. MLPerf Storage asks for as much.
inline constexpr uint64_t kTimesMemory = 5;

struct DataSize {
  uint64_t files = 0;
  uint64_t bytes = 0;
};

// The data cut into parts that can be measured one after the other and find nothing of each other in memory: the first
// of `sizes` of each part, and their number behind that. As many as there may be where each has `least_bytes`; else
// one. Pure function. REQUIRES: sizes is not empty.
std::vector<uint64_t> CutSlices(std::span<const uint64_t> sizes, uint64_t least_bytes);

// Of the regular files below a directory, in the order of ListSamplePaths; looks at the attributes of each.
Result<std::vector<uint64_t>> ListFileSizes(const std::string& root, const std::vector<std::string>& paths);

// Of each file of a directory, in that order, or of a .quire file.
Result<std::vector<uint64_t>> ListDataSizes(const std::string& path);

// What a process may have of hugetlbfs, which no control group of memory counts: all that it mapped, used or not
// (proc_pid_smaps(5), "ht"). `root` as of FindCacheLimit.
uint64_t HugePageBytesOf(pid_t process, const std::string& root = "");

// The memory that may keep what the readers of `watch` read: what their control groups let them have of the page cache,
// which has the pages of processes too, and the huge pages of daemons beside that. A daemon of another group has memory
// beyond that, and so has the cache below a loop device where control groups are those of version 1: then it is all of
// the machine's. What a server has is not counted. `root` as of FindCacheLimit.
Result<MemoryLimit> FindHoldingMemory(const StorageWatch& watch, const std::string& root = "");

// Fails where the data is less than kTimesMemory times as large; the message says what to do.
Result<void> CheckDataSize(const std::string& path, const DataSize& data, const MemoryLimit& memory);

}  // namespace quire::bench
