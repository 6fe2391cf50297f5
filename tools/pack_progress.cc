// SPDX-License-Identifier: Apache-2.0
#include "tools/pack_progress.h"

#include <algorithm>

namespace quire {

ProgressState DescribeProgress(const PackProgress& progress) {
  using Phase = PackProgress::Phase;
  switch (progress.phase.load()) {
    case Phase::kUnpack:
      return {.what = "unpacking",
              .done = std::min<uint64_t>(progress.archive_bytes_done, progress.archive_bytes_total),
              .total = progress.archive_bytes_total};
    case Phase::kScan:
      return {.what = "scanning", .counts = FormatCount(progress.entries_found) + " entries"};
    case Phase::kDeduplicate:
      return {.what = "looking for duplicates"};
    case Phase::kTrain:
      return {.what = "training dictionaries"};
    case Phase::kPages:
      return {.what = "packing",
              .counts = fmt::format("{} of {} samples", FormatCount(progress.samples_done),
                                    FormatCount(progress.samples_total)),
              .done = progress.bytes_done,
              .total = progress.bytes_total};
    case Phase::kIndex:
      break;
  }
  return {.what = "writing the index and syncing"};
}

}  // namespace quire
