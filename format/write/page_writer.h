// SPDX-License-Identifier: Apache-2.0
// Fills the pages of a pack from a sample source and writes them: one task a page, so that many small files are read at
// once and the result does not depend on how many threads read.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/index_tables.h"
#include "format/write/sample_source.h"

namespace quire {

struct PageWriterOptions {
  bool skip_unreadable = false;  // go on after a sample that cannot be read
  // It is told of each such sample, once, by one thread at a time.
  std::function<void(NodeNumber node, const std::string& reason)> on_unreadable;
  std::atomic<uint64_t>* samples_done = nullptr;  // progress; optional, like all below
  std::atomic<uint64_t>* bytes_done = nullptr;
  const std::atomic<bool>* interrupted = nullptr;
};

// Writes the pages of volume 0 from `data_begin` to `data_end`, and sets the sum of each extent in `tables`, all of
// which are of that volume. `file_offsets`: as PageLayout leaves them. `file`: readable and writable. Memory: 2 MiB a
// thread. Returns the samples that could not be read, sorted: there are zeros where they would lie. Without
// skip_unreadable nothing more is written after the first of them, and the samples behind it are only opened.
Result<std::vector<NodeNumber>> WritePages(IndexTables& tables, const Spool<uint64_t>& file_offsets,
                                           uint64_t data_begin, uint64_t data_end, const SampleSource& source,
                                           WorkerPool& pool, const File& file, const PageWriterOptions& options);

}  // namespace quire
