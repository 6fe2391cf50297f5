// SPDX-License-Identifier: Apache-2.0
// `quire pack`: scans a tree, orders its samples, finds duplicates, and hands them to the pack writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "format/result.h"
#include "format/write/exclude_patterns.h"
#include "format/write/normalisation.h"
#include "format/write/pack_writer.h"
#include "format/write/path_selection.h"
#include "format/write/sample_order.h"
#include "format/write/tree_scanner.h"

namespace quire {

// Reading many small cold files waits for the disk, not for a processor. On 2 cores 8, 16 and 32 threads packed 100,000
// files of 3 KB in 3.3, 2.8 and 2.6 s, and 20,000 of 110 KB in 2.8, 2.9 and 2.7 s; each thread takes 2 MiB.
inline constexpr unsigned kDefaultPackJobs = 16;

struct PackTreeOptions {
  std::string output;
  unsigned jobs = kDefaultPackJobs;  // 1 to kMaxJobs
  SampleOrder order;
  const ExcludePatterns* exclude = nullptr;  // as the selection, outlives the call and tells afterwards what it met
  const PathSelection* selection = nullptr;  // of the tree; nullptr: all of it
  Normalisation normalisation = {};
  std::string spool_folder = {};  // for about 150 bytes an entry; empty: that of the output
  bool dry_run = false;           // write nothing, and read samples for duplicates only; then the output may be empty
  bool deduplicate = false;
  std::optional<Compression> compression = {};  // of samples; empty: none
  bool skip_unreadable = false;
  std::string rest_hint = {};  // what packs the rest, where entries cannot be read and are not skipped; empty: none
  bool replace = false;        // an existing output
  // Told of each entry that cannot be packed as it was scanned, by one thread at a time: of all of them, also where the
  // first means that nothing is written.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  // With dry_run: told of each entry that would be packed, directories with a '/' behind them; of a pack that grows, of
  // the samples.
  std::function<void(const std::string& path)> on_planned = [](const auto&) {};
  // Told of each entry that is left out on purpose, and why, by one thread at a time.
  std::function<void(const std::string& path, std::string_view reason)> on_left_out = [](const auto&, auto) {};
  // Told what packers that died have left beside the output, a sentence each.
  std::function<void(const std::string& sentence)> on_leftover = [](const auto&) {};
  PackProgress* progress = nullptr;                // required
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: packing ends with kInterrupted and leaves nothing
};

// Whether they let the entry at `path`, below the root, be packed.
bool IsPacked(const PackTreeOptions& options, const std::string& path);

struct PackSummary {
  Superblock superblock;  // what was committed, or would be
  uint64_t directories = 0;
  ScanCounts counts;
  uint64_t unreadable = 0;                            // with skip_unreadable: the pack is without them
  std::optional<CompressionReport> compression = {};  // where samples were to be compressed, and this is no dry run
};

// What a thread has open of the tree at once: a sample, and two folders on the way to it.
inline constexpr size_t kFilesOfThread = 3;
// Temporary files of the index, the output once more for direct writes, and the list of an order.
inline constexpr size_t kFilesOfIndex = 14;

// A tree that is packed: a directory, or what another pack holds.
class TreeToPack {
 public:
  TreeToPack() = default;
  TreeToPack(const TreeToPack&) = delete;
  TreeToPack& operator=(const TreeToPack&) = delete;
  virtual ~TreeToPack() = default;

  // Whether the output, and temporary files in `folder`, may lie where they are to.
  [[nodiscard]] virtual Result<void> CheckOutput(const PackTreeOptions& /*options*/) const { return {}; }
  [[nodiscard]] virtual Result<void> CheckSpoolFolder(const PackTreeOptions& /*options*/,
                                                      const std::string& /*folder*/) const {
    return {};
  }
  // As ScanTree, which says what the tables are then, and which errors there are. Called once.
  virtual Result<ScannedTree> Scan(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                                   const std::string& spool_folder) = 0;
  // Of the tables that Scan has filled, which must outlive their use. REQUIRES: Scan.
  [[nodiscard]] virtual const SampleSource& samples() const = 0;
};

// On any error there is no pack under the name of the output, or the one that was there. REQUIRES: output, or dry_run
// and spool_folder.
Result<PackSummary> PackTree(TreeToPack& tree, const PackTreeOptions& options);

}  // namespace quire
