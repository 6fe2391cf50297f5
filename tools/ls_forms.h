// SPDX-License-Identifier: Apache-2.0
// The forms in which `quire ls` lists. Each writes to standard output, tells faults of the index to stderr, goes on
// without what is damaged, and returns how many faults there were.
#pragma once

#include <cstdint>
#include <string>

#include "format/pack/pack.h"
#include "tools/pack_entry.h"

namespace quire {

// An entry of a pack, and its path there as it was given.
struct Listed {
  const Pack& pack;
  PackEntry entry;
  std::string path;  // "" of the root
  Depth depth = Depth::kOne;
};

struct TextForm {
  bool is_long = false;        // mode, links, owner, group, size, time, target
  bool human_sizes = false;    // 1.5M
  bool ends_with_nul = false;  // not with a newline: names stay as they are, and with Depth::kAll they are whole paths
  bool escapes = false;        // names are made fit for a terminal
};
uint64_t ListAsText(const Listed& listed, const TextForm& form);

// As tree(1): all that is below, with lines from each directory to its entries. `escapes` as above.
uint64_t ListAsTree(const Listed& listed, bool escapes);

// One JSON object, a line an entry: quire-json(7).
uint64_t ListAsJson(const Listed& listed);

}  // namespace quire
