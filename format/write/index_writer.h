// SPDX-License-Identifier: Apache-2.0
// Encodes index tables: the sections, the sum tree, and the superblock fields that describe them.
#pragma once

#include <atomic>

#include "format/file.h"
#include "format/pack/superblock.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/output_file.h"

namespace quire {

// Sets the section table, the sizes and the counts of `superblock` for an index at superblock.index_offset. REQUIRES:
// the tables are complete, but for sums.
void DescribeIndex(const IndexTables& tables, Superblock& superblock);

// Writes the index at superblock.index_offset of `file`; sets what DescribeIndex does, and the root sum. The caller
// sets generation, order and left_out, and commits. REQUIRES: the tables are complete.
Result<void> WriteIndex(const IndexTables& tables, const File& file, Superblock& superblock);

// The commit of FORMAT.md: syncs what was written, writes the superblock into its slot, syncs.
Result<void> CommitGeneration(const File& file, const Superblock& superblock);

// The last steps of a new pack: writes the index as WriteIndex does, commits it, and gives the file its name, unless
// `interrupted`, which may be null, was set by then (kInterrupted).
Result<void> FinishPack(const IndexTables& tables, Superblock& superblock, const std::atomic<bool>* interrupted,
                        OutputFile& output);

}  // namespace quire
