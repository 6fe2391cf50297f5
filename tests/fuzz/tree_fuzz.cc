// SPDX-License-Identifier: Apache-2.0
// Goal: whatever nodes, directories and names say, a walk is one of a tree, and every way to a node tells the same.
#include <algorithm>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

void UseName(const Index& index, const Directory& directory, NodeNumber child) {
  const auto node = index.GetNode(child);
  const auto parent = index.GetParent(child);
  Require(parent && *parent == directory.node, "the parent of a child is the directory that lists it");
  if (!node) return;
  const auto name = index.GetName(*node);
  if (!name) return;
  Require(!FaultOfName(*name), "a name that is returned can stand in a directory");
  const auto found = index.Lookup(directory, *name);
  if (!found || !*found) return;  // names that are not sorted may hide others
  const auto found_parent = index.GetParent(**found);
  Require(found_parent && *found_parent == directory.node, "what a directory is asked for is one of its children");
  const auto twin = index.GetNode(**found);
  if (!twin) return;
  const auto twin_name = index.GetName(*twin);
  Require(twin_name && *twin_name == *name, "a look-up finds what has the name");
}

void UseNode(const Index& index, NodeNumber number) {
  const auto path = index.GetPath(number);
  Require(!path || path->size() <= kMaxPathBytes, "no path is longer than a system call takes");
  const auto node = index.GetNode(number);
  if (!node) return;
  if (node->kind == NodeKind::kSymlink) {
    const auto target = index.GetTarget(*node);
    Require(!target || (!target->empty() && target->size() <= kMaxTargetBytes), "targets have 1 to 4095 bytes");
  }
  const auto resolved = index.Resolve(number);
  if (!resolved) return;
  const auto last = index.GetNode(*resolved);
  Require(last && last->kind != NodeKind::kHardLink, "no hard link leads to another");
}

void Use(const Index& index) {
  for (NodeNumber number = 0; number < std::min(index.node_count(), kMostEntries); ++number) UseNode(index, number);
  for (const uint64_t absent : {index.node_count(), kMaxRecords, UINT64_MAX})
    Require(!index.GetNode(absent) && !index.GetPath(absent), "what is not there is not found");

  std::vector<bool> was_met(std::max<uint64_t>(index.node_count(), 1));
  std::vector<NodeNumber> pending = {0};
  while (!pending.empty()) {
    const NodeNumber number = pending.back();
    pending.pop_back();
    Require(!was_met[number], "each directory is met once on a walk");
    was_met[number] = true;
    const auto node = index.GetNode(number);
    if (!node || node->kind != NodeKind::kDirectory) continue;
    const auto directory = index.GetDirectory(node->content);
    Require(directory && directory->node == number, "a directory is the one of its node");
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index.GetChild(*directory, i);
      if (!child) continue;
      if (i < kMostSteps) UseName(index, *directory, *child);
      const auto entry = index.GetNode(*child);
      if (entry && entry->kind == NodeKind::kDirectory) pending.push_back(*child);
    }
    static_cast<void>(index.Lookup(*directory, "none of that name"));
  }
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto pack = quire::OpenInput({reinterpret_cast<const std::byte*>(data), size});
  if (pack) quire::Use(*pack->index);
  return 0;
}
