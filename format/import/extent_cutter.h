// SPDX-License-Identifier: Apache-2.0
// Makes extents and segments of bytes that lie in a volume as they are: cut where a page of the volume ends.
#pragma once

#include "format/import/member_tree.h"
#include "format/result.h"
#include "format/write/index_tables.h"

namespace quire {

class ExtentCutter {
 public:
  // `tables` must outlive it, and have its volumes. The sums of extents are those of the volume where it has CRC-32,
  // else they are left to others.
  explicit ExtentCutter(IndexTables& tables) : tables_(tables) {}

  // Gives the node of `file` its content. False, and an empty hole for content, where bytes of it belong to a file that
  // was added before. REQUIRES: files come in the order of their volumes and places.
  Result<bool> Add(const MemberTree::Content& file);

 private:
  Result<void> AddRun(const MemberTree::Content& file, const MemberRun& run, bool is_segment);
  Result<void> AddSegment(const MemberTree::Content& file, const MemberRun& run);

  IndexTables& tables_;
  uint16_t volume_ = 0;  // of the last file, and where it ends
  uint64_t end_ = 0;
};

}  // namespace quire
