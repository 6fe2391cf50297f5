// Reads the namespace of a directory into index tables: names, kinds, modes, owners, times, links, extended attributes
// and where samples have holes; not the samples' bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/index_tables.h"
#include "format/page_layout.h"
#include "format/result.h"
#include "format/source_identity.h"
#include "format/source_root.h"
#include "format/spool.h"
#include "format/worker_pool.h"

namespace quire {

// What a tree holds beside its index tables.
struct ScannedTree {
  std::map<NodeNumber, std::vector<DataRange>> sparse;  // samples with holes
  uint64_t left_out = 0;                                // devices, sockets, FIFOs
  uint64_t excluded = 0;                                // entries that a pattern kept out, each with what is below it
  uint64_t clamped_times = 0;                           // mtimes that the format cannot hold
};

struct ScanOptions {
  const SourceRoot& root;            // outlives the scan
  std::vector<std::string> exclude;  // see IsExcluded
  // Told of each entry that could not be read, by one thread at a time; the scan goes on without it.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  std::atomic<uint64_t>* entries_found = nullptr;  // progress
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: the scan ends with kInterrupted
};

// Fills directories, nodes, names, attributes and xattrs of `tables`, breadth first and sorted: the result does not
// depend on the pool's size. A name that a directory lists twice is one entry. Files of more than one page, or with
// holes, are kSegmented; no content is set. `identities` receives, for each node, the file that was looked at. Limits:
// a path below the root of 4095 bytes, a name of 255, 65,536 bytes of extended attributes an entry.
Result<ScannedTree> ScanTree(const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                             Spool<SourceIdentity>& identities);

// Whether `path` (below the root, without a leading '/') or one of the directories that it lies in matches a pattern as
// fnmatch(3) does: one without '/' is compared with the base name, one with '/' with the whole path, where '*' does not
// match '/'.
bool IsExcluded(const std::vector<std::string>& patterns, std::string_view path);

}  // namespace quire
