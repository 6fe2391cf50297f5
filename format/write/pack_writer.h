// SPDX-License-Identifier: Apache-2.0
// Index tables and a source of sample bytes become a pack: `quire pack` and every importer end here. The steps: lay out
// the pages, fill and write them, write the index, commit, give the file its name. Until the last step there is nothing
// under that name.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "format/pack/superblock.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/compression.h"
#include "format/write/output_file.h"
#include "format/write/sample_order.h"
#include "format/write/sample_writer.h"

namespace quire {

struct PackWriterOptions {
  SampleOrder order = {};  // as `samples` have it; for the superblock
  uint64_t left_out = 0;
  std::optional<uint64_t> mtime = {};        // of every entry, in place of what the tables say; see EncodeMtime
  std::string spool_folder = {};             // for temporary space; empty: that of the output
  bool skip_unreadable = false;              // go on after a sample that cannot be read: the pack is without it
  const Compression* compression = nullptr;  // of samples; nullptr: none
  CompressionReport* report = nullptr;       // required with it
  // Told of each such sample, once, by one thread at a time. Required.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  PackProgress* progress = nullptr;                // required
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted
};

// Returns what was committed. kUnreadable when a sample could not be read and is not to be skipped. On any error
// `output` is not committed.
Result<Superblock> WritePack(const PackContents& contents, const PackWriterOptions& options, WorkerPool& pool,
                             OutputFile& output);

// What WritePack would commit where nothing fails and nothing changes, but for sums: it lays the pages out, and reads
// and writes nothing, so compression is left out. The tables are not to be used afterwards. REQUIRES:
// options.spool_folder.
Result<Superblock> MeasurePack(const PackContents& contents, const PackWriterOptions& options);

}  // namespace quire
