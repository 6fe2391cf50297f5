// SPDX-License-Identifier: Apache-2.0
// What entries of a pack become in an archive: their headers, and which of their bytes are stored.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/export/tar_writer.h"
#include "format/pack/index.h"
#include "format/result.h"

namespace quire {

enum class ExportForm : uint8_t {
  kTar,         // everything, below "./"
  kWebDataset,  // files, without "./", holes, attributes and parts of a second: what readers of samples look at
};

struct ExportStyle {
  ExportForm form = ExportForm::kTar;
  TarFormat format = TarFormat::kPax;
};

// One member. A hard link has in `first` the name of its sample that stands before it.
struct ExportMember {
  NodeNumber place = 0;
  std::optional<NodeNumber> first = std::nullopt;
  bool is_unfinished = false;  // a folder that comes again behind all that is in it
};

// The node whose content `place` shows.
Result<Node> GetContent(const Index& index, NodeNumber place);

// Whether a sample has holes that its member has, too. REQUIRES: node.is_sample().
Result<bool> KeepsHoles(const Index& index, const Node& node, const ExportStyle& style);

// Bytes [from, to) of a sample that are stored. Holes are left out where `has_holes`, as far
// as they have whole blocks of an archive: the ends of what is left are multiples of one, but for the sample's end.
// REQUIRES: node.is_sample(), and `from` and `to` are such multiples or the sample's end where it has holes.
Result<std::vector<TarRange>> StoredRanges(const Index& index, const Node& node, bool has_holes, uint64_t from,
                                           uint64_t to);

// What the header of `member` says. The extended attributes point into the index.
Result<TarMember> DescribeMember(const Index& index, const ExportMember& member, const ExportStyle& style);

}  // namespace quire
