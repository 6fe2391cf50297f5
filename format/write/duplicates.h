// SPDX-License-Identifier: Apache-2.0
// Finds samples with the same content, so that `quire pack --dedup` stores it once.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/index_tables.h"
#include "format/write/page_layout.h"
#include "format/write/sample_source.h"
#include "format/write/spool.h"

namespace quire {

struct Duplicate {
  NodeNumber node;
  NodeNumber first;  // the sample whose content `node` has
};

// Of the samples that are not in `sparse` (those with holes keep them), each that equals an earlier one in `samples`,
// with the first that it equals; by node number. Candidates are those of equal size and equal sum; then their bytes are
// compared, since a sum proves nothing against someone who wants two files to collide. Samples that cannot be read are
// left for the packing proper to report.
Result<std::vector<Duplicate>> FindDuplicates(const IndexTables& tables, const Spool<NodeNumber>& samples,
                                              const std::map<NodeNumber, std::vector<DataRange>>& sparse,
                                              const SampleSource& source, WorkerPool& pool,
                                              const std::atomic<bool>* interrupted);

}  // namespace quire
