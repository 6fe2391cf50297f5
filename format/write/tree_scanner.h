// SPDX-License-Identifier: Apache-2.0
// Reads the namespace of a directory into index tables: names, kinds, modes, owners, times, links, extended attributes
// and where samples have holes; not the samples' bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/exclude_patterns.h"
#include "format/write/index_tables.h"
#include "format/write/normalisation.h"
#include "format/write/path_selection.h"
#include "format/write/source_identity.h"
#include "format/write/source_root.h"
#include "format/write/spool.h"
#include "format/write/tree_builder.h"

namespace quire {

// What a pack does not have of a tree.
struct ScanCounts {
  uint64_t left_out = 0;            // devices, sockets, FIFOs
  uint64_t excluded = 0;            // entries that a pattern kept out, each with what is below it
  uint64_t other_file_systems = 0;  // folders without what is below them
  uint64_t clamped_times = 0;       // mtimes that the format cannot hold
  // Entries that had what a pack does not keep, and those of them whose mode had to become narrower.
  uint64_t access_lists = 0;
  uint64_t labels = 0;
  uint64_t capabilities = 0;
  uint64_t other_attributes = 0;  // trusted.*, security.*
  uint64_t narrowed_modes = 0;
  uint64_t nameless = 0;  // entries that could not be read and were told along with another one
};

// What a tree holds beside its index tables.
struct ScannedTree {
  SparseSamples sparse;
  ScanCounts counts;
};

struct ScanOptions {
  const ExcludePatterns* exclude = nullptr;  // outlives the scan, as does the selection
  const PathSelection* selection = nullptr;  // nullptr: all of it
  std::string own_name = {};                 // of no entry, but of a file that the packer has in the tree
  bool one_file_system = false;              // take folders on other file systems without what is below them
  Normalisation normalisation = {};          // its mtime is not set here: the source's tells of changes
  // Told of each entry that could not be read, by one thread at a time; the scan goes on without it.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  // Told of each entry that is left out on purpose, and why, by one thread at a time.
  std::function<void(const std::string& path, std::string_view reason)> on_left_out = [](const auto&, auto) {};
  std::atomic<uint64_t>* entries_found = nullptr;  // progress
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: the scan ends with kInterrupted
};

// Fills directories, nodes, names, attributes and xattrs of `tables`, breadth first and sorted: the result depends
// neither on the pool's size nor on the file system, whose sizes of directories and modes of symlinks are not taken,
// and whose holes are kept in units of 4096 bytes. A name that a directory lists twice is one entry. Files of more than
// one page, or with holes, are kSegmented; no content is set. `identities` receives, for each node, the file that was
// looked at. An error is what ends the scan: no space for the tables, no file that could be opened, an interrupt.
// Limits: a path below the root of 4095 bytes, a name of 255, 65,536 bytes of extended attributes an entry.
Result<ScannedTree> ScanTree(const SourceRoot& root, const ScanOptions& options, WorkerPool& pool, IndexTables& tables,
                             Spool<SourceIdentity>& identities);

}  // namespace quire
