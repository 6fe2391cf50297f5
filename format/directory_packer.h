// `quire pack`: scans a directory, orders its samples, finds duplicates, and hands them to the pack writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "format/pack_writer.h"
#include "format/result.h"
#include "format/sample_order.h"

namespace quire {

// 16 threads for 2 cores: reading many small cold files waits for the disk, not for a processor. Measured on 100,000
// files of 3 KB, see README.md.
inline constexpr unsigned kDefaultPackJobs = 16;

struct PackDirectoryOptions {
  std::string source;
  std::string output;
  unsigned jobs = kDefaultPackJobs;  // 1 to kMaxJobs
  SampleOrder order;
  std::vector<std::string> exclude;  // see IsExcluded
  bool deduplicate = false;
  bool skip_unreadable = false;
  bool replace = false;  // an existing output
  // Told of each entry that cannot be packed as it was scanned, by one thread at a time.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  PackProgress* progress = nullptr;                // required
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: packing ends with kInterrupted and leaves nothing
};

struct PackSummary {
  Superblock superblock;  // what was committed
  uint64_t directories = 0;
  uint64_t excluded = 0;
  uint64_t unreadable = 0;  // with skip_unreadable: the pack is without them
  uint64_t clamped_times = 0;
};

// On any error there is no new pack, and one that was there is untouched. kInvalid for an output inside the source that
// no pattern excludes.
Result<PackSummary> PackDirectory(const PackDirectoryOptions& options);

}  // namespace quire
