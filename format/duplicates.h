// Finds samples with the same content, so that `quire pack --dedup` stores it once.
#pragma once

#include <atomic>
#include <vector>

#include "format/index_tables.h"
#include "format/result.h"
#include "format/sample_source.h"
#include "format/spool.h"
#include "format/worker_pool.h"

namespace quire {

struct Duplicate {
  NodeNumber node;
  NodeNumber first;  // the sample whose content `node` has
};

// Of samples without holes, each that equals an earlier one in `samples`, with the first that it equals; by node
// number. Candidates are those of equal size and equal sum; then their bytes are compared, since a sum proves nothing
// against someone who wants two files to collide. Samples that cannot be read are left for the packing proper to
// report.
Result<std::vector<Duplicate>> FindDuplicates(const IndexTables& tables, const Spool<NodeNumber>& samples,
                                              const SampleSource& source, WorkerPool& pool,
                                              const std::atomic<bool>* interrupted);

}  // namespace quire
