// SPDX-License-Identifier: Apache-2.0
// The order in which samples lie in a pack.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/pack/superblock.h"
#include "format/result.h"
#include "format/write/index_tables.h"
#include "format/write/spool.h"

namespace quire {

struct SampleOrder {
  PackOrder order = PackOrder::kPath;
  uint64_t seed = 0;      // of kShuffle
  std::string list_file;  // of kList: paths below the root as ReadList and SplitList take them
  bool nul_separated = false;
};

// "path", "shuffle:SEED", "list:FILE" or "list0:FILE".
Result<SampleOrder> ParseSampleOrder(std::string_view text);

// Appends the samples of `tables` (not the hard links) to `samples`.
//   kPath: depth first, the entries of a directory by name (bytes).
//   kShuffle: that, shuffled by Fisher-Yates from the end, drawing from std::mt19937_64(seed) without bias.
//   kList: the samples that the list names, in its order, then the others by path. Any name of a hard-linked sample
//   names it; of several in the list the first counts. A listed path that is no sample is an error.
Result<void> OrderSamples(const SampleOrder& order, const IndexTables& tables, Spool<NodeNumber>& samples);

}  // namespace quire
