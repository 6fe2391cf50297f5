// SPDX-License-Identifier: Apache-2.0
// What an export writes, in which order and to which archive.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "format/pack/index.h"
#include "format/result.h"
#include "tools/export/archive_members.h"

namespace quire {

enum class ExportOrder : uint8_t {
  kPath,  // depth first, the entries of a folder by name (bytes)
  kPack,  // as the samples lie in the volumes, so that they are read one behind the other
  kList,  // as a list names them, then the others by path
};

struct ExportPlanOptions {
  ExportStyle style;
  ExportOrder order = ExportOrder::kPack;
  std::string list_file;  // of kList, as ReadList and SplitList take it
  bool nul_separated = false;
  // Of kWebDataset: how large an archive becomes, and how many keys are in it.
  uint64_t max_archive_bytes = 0;
  uint64_t max_archive_keys = 0;
};

// Work for one thread at a time, of some MiB.
struct ExportTask {
  uint64_t first = 0;  // number in ExportPlan::members
  uint64_t count = 0;
  // Of a large sample, which several tasks share: its bytes [from, to). The first writes the header as well.
  bool is_part = false;
  bool is_last_part = false;
  uint64_t from = 0;
  uint64_t to = 0;
  uint32_t archive = 0;
};

struct ExportPlan {
  std::vector<ExportMember> members;
  std::vector<ExportTask> tasks;  // in the order of the archives and their members
  uint32_t archives = 1;
  uint64_t bytes = 0;  // of samples, without their holes

  // Of kWebDataset.
  uint64_t files_without_key = 0;  // which readers of WebDatasets pass over
  NodeNumber first_without_key = 0;
  uint64_t large_keys = 0;  // which have an archive of their own, larger than it should be
  NodeNumber first_large_key = 0;
};

// kTar: each folder stands before what is in it; a sample or symlink of several names is written under the one that
// comes first, and the others are links. kPack is kPath in a pack that was made so, as packs are by default. In another
// order, folders come when they are needed, and behind the samples all that is left, by path. A folder that gets an
// entry after others have come between stands there again, since tar(1) sets the time and mode of a folder when it
// leaves it.
//
// kWebDataset: files alone, each name a file. Those of one key, which are the names of one folder that are equal up to
// their first '.', stand together: in the order of their first one, and among themselves by name.
//
// `on_fault` is told of each entry that cannot be read and is left out; where it returns false, the plan ends there.
// The error is one of the list. Memory: about 40 bytes an entry, for a
// WebDataset 150 bytes a file. Blocks in I/O.
Result<ExportPlan> MakeExportPlan(const Index& index, const ExportPlanOptions& options,
                                  const std::function<bool(NodeNumber, Error)>& on_fault);

}  // namespace quire
