// SPDX-License-Identifier: Apache-2.0
// What commands that add a generation to a pack have in common.
#pragma once

#include <string>

#include "format/growth/pack_growth.h"
#include "format/write/tree_packer.h"
#include "tools/compression_options.h"
#include "tools/progress_options.h"

namespace quire {

struct GrowingRequest {
  const char* command = "";  // "append"
  std::string pack = {};
  std::string source = {};  // a directory
  bool one_file_system = false;
  MergeKind kind = MergeKind::kAppend;
  std::string at = {};  // directory of the pack; "": the root
  CompressionOptions compression = {};
  bool names_left_out = false;
  ProgressOptions progress = {};
};

// Adds the generation that is asked for, says what it is, and returns the exit code. Of `options` the order, what is
// packed of the source, the normalisation, duplicates, dry runs, the jobs and the folder for temporary files count.
int RunGrowing(const GrowingRequest& request, PackTreeOptions options);

// "+3 samples, -1 directory"; "nothing" where both are the same.
std::string DescribeDifference(const TreeCounts& before, const TreeCounts& after);

// Prints a path that a dry run tells of: as it is, or fit for a terminal.
void PrintPlanned(const std::string& path);

// Tells on standard output what was committed.
void PrintGrowth(const GrowthSummary& summary, const std::string& pack);

}  // namespace quire
