// SPDX-License-Identifier: Apache-2.0
// A pack copied into a file, which has its name once every byte of it that the pack's sums tell of is right.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "format/pack/pack.h"
#include "format/result.h"
#include "tools/progress.h"

namespace quire {

struct FileFetchOptions {
  std::string path;          // of the file
  bool replace = false;      // what is there
  unsigned jobs = 1;         // pages in flight at once
  uint64_t bytes_per_s = 0;  // not more than that; 0: no limit
  ProgressMode progress_mode = ProgressMode::kAuto;
  std::function<void(Progress&, const std::string& sentence)> tell;   // what happens on the way, for people
  std::function<void(Progress&, const std::string& fault)> on_fault;  // what is wrong with the copy in the end
  const std::atomic<bool>* interrupted = nullptr;
};

struct FileFetchSummary {
  uint64_t pack_bytes = 0;
  uint64_t fetched_bytes = 0;    // by this call, pages that came twice counted twice
  uint64_t kept_bytes = 0;       // that an earlier one had brought
  uint64_t refetched_pages = 0;  // that were wrong at first
};

// Copies `pack`, one file or one object, going on with what an earlier call left, and compares the copy with its sums.
// Pages that are wrong are fetched once more, past what proxies keep. Errors are those of UnfinishedCopy; kSystem where
// the source cannot be read; kCorrupt where pages are wrong again, which `on_fault` was told, and where the source has
// changed; kUnsupported of an index of archives. They say what is kept for the next call.
Result<FileFetchSummary> FetchToFile(const Pack& pack, const FileFetchOptions& options);

}  // namespace quire
