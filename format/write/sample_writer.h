// SPDX-License-Identifier: Apache-2.0
// The bytes of samples become those of a pack: what is worth it is compressed, in frames, and the rest is laid out in
// pages behind them. New packs and further generations share this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "format/file.h"
#include "format/pack/geometry.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/compression.h"
#include "format/write/duplicates.h"
#include "format/write/encoder_dictionaries.h"
#include "format/write/frame_writer.h"
#include "format/write/index_tables.h"
#include "format/write/page_layout.h"
#include "format/write/sample_source.h"

namespace quire {

// Written by the packer, read by anyone meanwhile.
struct PackProgress {
  enum class Phase : uint8_t { kUnpack, kScan, kDeduplicate, kTrain, kPages, kIndex };
  std::atomic<Phase> phase = Phase::kScan;
  std::atomic<uint64_t> archive_bytes_total = 0;  // of archives that are unpacked
  std::atomic<uint64_t> archive_bytes_done = 0;   // may be more: of some the same bytes are read twice
  std::atomic<uint64_t> entries_found = 0;
  std::atomic<uint64_t> samples_total = 0;  // to be stored; known from kPages on, like bytes_total
  std::atomic<uint64_t> bytes_total = 0;
  std::atomic<uint64_t> samples_done = 0;
  std::atomic<uint64_t> bytes_done = 0;
};

// All must outlive the call.
struct PackContents {
  IndexTables& tables;                                         // the namespace, complete; extents and segments empty
  const Spool<NodeNumber>& samples;                            // those to be stored, in pack order
  const std::map<NodeNumber, std::vector<DataRange>>& sparse;  // the data of those with holes
  const std::vector<Duplicate>& duplicates;                    // by node; stored once
  const SampleSource& source;
};

// Where bytes of a generation may lie.
struct SamplePlaces {
  uint64_t begin = kDataBegin;         // in the pack, a multiple of kIndexAlign: what is compressed lies there
  uint64_t decoded_begin = 0;          // of that, in the framed volume: a multiple of kPageBytes
  uint64_t pages_align = kIndexAlign;  // the pages behind it begin at a multiple of so much
  size_t most_dictionaries = kMaxDictionaries - 1;
};

struct SampleWriterOptions {
  SamplePlaces places = {};
  std::string spool_folder;                  // for temporary space
  bool skip_unreadable = false;              // go on after a sample that cannot be read
  const Compression* compression = nullptr;  // of samples; nullptr: none
  CompressionReport* report = nullptr;       // required with it
  // Takes the space of the pages, before any of them is written.
  std::function<Result<void>(uint64_t data_begin, uint64_t data_end)> preallocate;
  // Told of each sample that cannot be read, once, by one thread at a time. Required.
  std::function<void(const std::string& path, const std::string& reason)> on_unreadable;
  PackProgress* progress = nullptr;                // required
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted
};

struct WrittenSamples {
  uint64_t data_begin = 0;                 // of the pages in the pack
  uint64_t data_end = 0;                   // as data_begin where there are none
  std::optional<uint64_t> coded_end = {};  // of what is compressed in the pack; empty where nothing is
  uint64_t decoded_end = 0;                // and in the framed volume
  std::vector<NodeNumber> failed = {};     // that could not be read, sorted: with skip_unreadable only
};

// Writes the samples, but for duplicates, and completes extents, segments, contents, coded members and dictionaries of
// the tables, all numbered from 0 on. Errors: kUnreadable where a sample could not be read and is not to be skipped.
Result<WrittenSamples> WriteSamples(const PackContents& contents, const SampleWriterOptions& options, WorkerPool& pool,
                                    const File& file);

// Lays out what WriteSamples would write where nothing is compressed. Reads and writes no sample. Returns the end of
// the pages.
Result<uint64_t> MeasureSamples(const PackContents& contents, const SampleWriterOptions& options);

}  // namespace quire
