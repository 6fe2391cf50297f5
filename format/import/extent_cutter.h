// SPDX-License-Identifier: Apache-2.0
// Makes extents and segments of bytes that lie in a volume as they are, cut where a page of the volume ends; and
// volumes of bytes that are decoded from others, in which each member gets a place. The content that was made for a
// file has its extent already, and becomes a segment before them.
#pragma once

#include "format/import/member_tree.h"
#include "format/result.h"
#include "format/write/decoded_places.h"
#include "format/write/index_tables.h"

namespace quire {

class ExtentCutter {
 public:
  // `tables` must outlive it, and have its volumes. The sums of extents are those of the volume where it has CRC-32,
  // else they are left to others.
  explicit ExtentCutter(IndexTables& tables) : tables_(tables) {}

  // Gives the node of `file` its content; that of a coded one is left to AddDecoded. False, and an empty hole for
  // content, where bytes of it belong to a file that was added before. REQUIRES: files come in the order of their
  // volumes and places.
  Result<bool> Add(const MemberTree::Content& file);

  // Gives the node of a coded `file`, for which Add said true, its content. REQUIRES: as Add; and Add is not called any
  // more, since extents of decoded volumes stand behind all others.
  Result<void> AddDecoded(const MemberTree::Content& file);

 private:
  Result<void> AddRun(const MemberTree::Content& file, const MemberRun& run, bool is_segment);
  Result<void> AddSegment(const MemberTree::Content& file, const MemberRun& run);

  IndexTables& tables_;
  uint16_t volume_ = 0;  // of the last file, and where it ends
  uint64_t end_ = 0;
  uint16_t decoded_from_ = 0;  // the base of the last volume, where that is decoded
  // A long member is alone in its pages: nothing finds damage to the middle of it but the decoder.
  static constexpr DecodedPlaces kNoPlaces{kPageBytes, /*are_long_alone=*/true};
  DecodedPlaces places_ = kNoPlaces;  // in it
};

}  // namespace quire
