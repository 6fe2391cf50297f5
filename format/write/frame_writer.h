// SPDX-License-Identifier: Apache-2.0
// Compresses what of the samples is worth it, in frames, and writes these in front of the pages of a pack; what is left
// goes into pages as ever. FORMAT.md, Coded members.
//
// Threads compress pieces of about 1 MiB of samples that follow each other, and put them into the pack in the order of
// the samples, each when it is its turn: so the pack does not depend on how many threads there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/compression.h"
#include "format/write/encoder_dictionaries.h"
#include "format/write/frame_compressor.h"
#include "format/write/index_tables.h"
#include "format/write/page_writer.h"
#include "format/write/spool.h"

namespace quire {

// What became of the samples. The coded members are in the tables, and so are the segments, of which the first
// `segments` belong to the framed volume: their extents are numbered from 0 on, as `extents` has them.
struct WrittenFrames {
  // They lie in the pack from `begin` on, and in the framed volume from `decoded_begin` on, which a page begins at.
  WrittenFrames(const std::string& spool_folder, uint64_t begin, uint64_t decoded_begin)
      : left(spool_folder), extents(spool_folder), stored_end(begin), decoded_end(decoded_begin) {}

  Spool<NodeNumber> left;  // samples that are not compressed, in pack order
  Spool<Extent> extents;   // of the framed volume, complete
  uint64_t segments = 0;
  uint64_t stored_end;             // of the coded bytes in the pack
  uint64_t decoded_end;            // of the framed volume
  std::vector<NodeNumber> failed;  // that could not be read, sorted; they are in neither
  CompressionReport report;
};

// `dictionaries`: of the kinds of samples. `options`: as of WritePages. Memory: 4 MiB a thread, and what the level
// needs. Without skip_unreadable nothing is written after the first sample that cannot be read, and those behind it are
// only opened.
Result<void> WriteFrames(const SamplesToCompress& samples, const Compression& compression,
                         const EncoderDictionaries& dictionaries, WorkerPool& pool, const File& file,
                         const PageWriterOptions& options, WrittenFrames& written);

// Appends the extents of `written` to the tables, as those of the framed volume, and gives their samples their content;
// the tables have the extents of the pages. Adds the dictionaries.
Result<void> AddFrames(const WrittenFrames& written, const EncoderDictionaries& dictionaries, IndexTables& tables);

// That of the pack itself, which holds so many decoded bytes.
Volume FramedVolume(uint64_t decoded_end);

}  // namespace quire
