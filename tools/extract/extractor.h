// SPDX-License-Identifier: Apache-2.0
// Writes entries of a pack as files below a folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/extract/entry_attributes.h"
#include "tools/extract/entry_writer.h"
#include "tools/extract/extract_report.h"

namespace quire {

struct ExtractOptions {
  std::string folder;              // made if it is not there, in a folder that is
  std::vector<std::string> paths;  // as of FindEntries; empty: everything
  Existing existing = Existing::kRefuse;
  bool keep_going = false;  // past faults
  unsigned jobs = 4;        // files written at once, 1 to kMaxJobs
  AttributePolicy attributes;
};

// Extracts what `options` name. No symlink below the folder is followed, nothing is written outside of it, and each
// entry appears under its name when it is whole, in one step. What goes wrong is told by `report`, what the target
// cannot hold by `attributes`; the result is an error only where nothing was begun. Metadata of the folder itself is
// set only if it was made here, or by an extraction that was stopped. Blocks; takes `options.jobs` threads, a page of
// memory for each, and the index. REQUIRES: the process's umask is 0.
Result<void> Extract(const Pack& pack, const ExtractOptions& options, AttributeSetter& attributes,
                     ExtractReport& report);

}  // namespace quire
