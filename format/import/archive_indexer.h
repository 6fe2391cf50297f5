// SPDX-License-Identifier: Apache-2.0
// `quire index`: reads the members of archives and writes a pack that has none of their bytes, only an index in which
// they lie in the archives as they are.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/file.h"
#include "format/import/archive.h"
#include "format/import/sample_template.h"
#include "format/pack/superblock.h"
#include "format/result.h"

namespace quire {

// Reading headers of archives that are not in memory waits for the disk, and each archive for one header after the
// other.
inline constexpr unsigned kDefaultIndexJobs = 8;

// By what `file` begins with. kUnsupported, with the remedy, where it is no archive whose members can be read where
// they lie. `file` must outlive the reader. `sample_template`: see SampleTemplate; kInvalid where it is none.
Result<std::unique_ptr<ArchiveReader>> OpenArchive(const File& file, uint64_t size_bytes,
                                                   ArchiveReader::OnFault on_fault,
                                                   std::string_view sample_template = kDefaultSampleTemplate);

struct ArchiveToIndex {
  std::string path;
  std::string top;  // the folder in the tree that its members get; "" for none
};

// Written by the indexer, read by anyone meanwhile.
struct IndexProgress {
  std::atomic<uint64_t> archives_done = 0;
  std::atomic<uint64_t> members = 0;
  std::atomic<uint64_t> bytes_done = 0;  // of members, whose sums are made
  std::atomic<uint64_t> bytes_total = 0;
};

struct IndexArchivesOptions {
  std::vector<ArchiveToIndex> archives;  // at least one; volume 1 and up, in their order
  std::string output;
  std::string spool_folder = {};  // for about 300 bytes a member; empty: that of the output
  std::string sample_template = std::string(kDefaultSampleTemplate);  // of the files of archives that have no names
  unsigned jobs = kDefaultIndexJobs;
  bool sums = false;     // read all bytes, and keep a sum of each member
  bool replace = false;  // an existing output
  // Tell also what would be no whole sample of a WebDataset: sample_groups.h. It is served like all else.
  bool check_samples = false;
  // Told what a mount will not show of an archive, and why, by one thread at a time. `member` may be empty.
  std::function<void(const std::string& archive, std::string_view member, std::string_view reason)> on_fault;
  uint64_t fault_limit = 1000;  // how many are told; all are counted
  // Told what indexers and packers that died have left beside the output, a sentence each.
  std::function<void(const std::string& sentence)> on_leftover = [](const auto&) {};
  IndexProgress* progress = nullptr;               // required
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted and leaves nothing
};

struct IndexSummary {
  Superblock superblock;
  uint64_t directories = 0;
  uint64_t faults = 0;  // superblock.left_out of them are of what is not served
};

// On any error there is no file under the name of the output, or the one that was there.
Result<IndexSummary> IndexArchives(const IndexArchivesOptions& options);

}  // namespace quire
