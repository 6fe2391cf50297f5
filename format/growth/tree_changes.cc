// SPDX-License-Identifier: Apache-2.0
#include "format/growth/tree_changes.h"

#include <algorithm>
#include <limits>

namespace quire {

namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

uint64_t AddSaturating(uint64_t a, uint64_t b) { return a + std::min(b, kMost - a); }

}  // namespace

void TreeCounts::Add(const Node& node) {
  if (node.is_sample()) {
    ++samples;
    sample_bytes = AddSaturating(sample_bytes, node.size_bytes);
  }
  if (node.kind == NodeKind::kSymlink) ++symlinks;
  if (node.kind == NodeKind::kHardLink) ++hard_links;
  if (node.kind == NodeKind::kDirectory) ++directories;
}

void TreeCounts::Add(const TreeCounts& more) {
  samples += more.samples;
  symlinks += more.symlinks;
  hard_links += more.hard_links;
  directories += more.directories;
  sample_bytes = AddSaturating(sample_bytes, more.sample_bytes);
}

void TreeCounts::Subtract(const TreeCounts& gone) {
  samples -= gone.samples;
  symlinks -= gone.symlinks;
  hard_links -= gone.hard_links;
  directories -= gone.directories;
  if (sample_bytes != kMost) sample_bytes -= std::min(sample_bytes, gone.sample_bytes);
}

}  // namespace quire
