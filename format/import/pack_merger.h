// SPDX-License-Identifier: Apache-2.0
// `quire merge`: makes one index of several packs, whose bytes stay where they are. The volumes of a pack become
// volumes of the index, the pack itself a file among them; extents, segments and coded members are taken over as they
// are, with other numbers.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "format/pack/superblock.h"
#include "format/pack/volume_files.h"
#include "format/result.h"
#include "format/write/output_file.h"

namespace quire {

struct PackToMerge {
  std::string path;
  std::vector<std::string> top;  // the folders that its root lies in, outermost first; valid names
};

struct MergePacksOptions {
  std::vector<PackToMerge> packs;  // at least one
  std::string output;              // what will be replaced by the index, or by what is made of it
  // Where else than in their packs' folders the files of packs may lie that are indexes themselves.
  VolumePlaces places;
  std::string spool_folder;  // for about 150 bytes an entry
  // Whether the index names its volumes by absolute paths only, for one that is read where it has no folder.
  bool are_locations_absolute = false;
  std::atomic<uint64_t>* entries = nullptr;        // required: counts them, for others to see
  const std::atomic<bool>* interrupted = nullptr;  // set by anyone: ends with kInterrupted
};

struct MergeSummary {
  Superblock superblock;
  uint64_t directories = 0;
  uint64_t outside = 0;  // volumes that do not lie in the index's folder or below: readers are to be told of them
};

// Writes and commits the index to `output`, which the caller gives its name. Errors name the pack: kInvalid where it is
// no regular file, or the output would replace a file that the index needs; kUnsupported where two packs have one path
// that is not a directory in both, a path gets too long, or there are too many volumes or dictionaries; kCorrupt,
// kSystem, kInterrupted.
Result<MergeSummary> MergePacks(const MergePacksOptions& options, OutputFile& output);

}  // namespace quire
