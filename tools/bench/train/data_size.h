// SPDX-License-Identifier: Apache-2.0
// Whether a data set is so much larger than memory that its storage is what is measured.
#pragma once

#include <cstdint>
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

// Of the regular files below a directory, in the order of ListSamplePaths; looks at the attributes of each.
Result<std::vector<uint64_t>> ListFileSizes(const std::string& root, const std::vector<std::string>& paths);

// Of a directory or a .quire file.
Result<DataSize> MeasureDataSize(const std::string& path);

// The memory that may keep what the readers of `watch` read: what their control groups let them have of the page cache,
// which has the pages of processes too. A daemon of another group has memory beyond that, so that then it is all of the
// machine's. What a server has is not counted. `root` as of FindCacheLimit.
Result<MemoryLimit> FindHoldingMemory(const StorageWatch& watch, const std::string& root = "");

// Fails where the data is less than kTimesMemory times as large; the message says what to do.
Result<void> CheckDataSize(const std::string& path, const DataSize& data, const MemoryLimit& memory);

}  // namespace quire::bench
