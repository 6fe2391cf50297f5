// SPDX-License-Identifier: Apache-2.0
// Compares a pack with a directory: what `quire diff` tells.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cache/sample_reader.h"
#include "format/pack/index.h"
#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/exclude_patterns.h"
#include "tools/diff/entry_comparison.h"

namespace quire {

struct Difference {
  enum class Kind : uint8_t {
    kMissing,  // in the pack only, with all below it
    kExtra,    // in the directory only, with all below it
    kDiffers,
  };
  Kind kind;
  std::string path;               // "." of the root
  std::vector<Detail> what = {};  // of kDiffers, not empty
};

struct ComparisonOptions {
  std::string source;                        // a directory; a symlink to one is followed
  const ExcludePatterns* exclude = nullptr;  // what matches is not looked at, on either side; nullptr: nothing
  Aspects ignored;
  std::function<void(const Difference&)> on_difference;
  std::function<void(const std::string& path, const Error& error)> on_unreadable;  // on either side
};

struct ComparisonSummary {
  uint64_t compared = 0;  // entries that both have, without the root
  uint64_t differing = 0;
  uint64_t missing = 0;
  uint64_t extra = 0;
  uint64_t unreadable = 0;
  uint64_t left_out = 0;  // devices, sockets and FIFOs of the directory, which no pack holds

  [[nodiscard]] bool is_equal() const { return differing + missing + extra + unreadable == 0; }
};

// Reads all samples that both have, unless their content is ignored, and changes nothing. The functions of `options`
// are called by this thread: directories in the order of `quire ls -R`, in each the entries in the order of their
// names. An error is what ends the work: the source cannot be opened, or nothing more can.
Result<ComparisonSummary> CompareWithDirectory(const Index& index, SampleReader& reader, WorkerPool& pool,
                                               const ComparisonOptions& options);

}  // namespace quire
