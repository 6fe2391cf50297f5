// SPDX-License-Identifier: Apache-2.0
// Goal: `quire verify` ends whatever a pack says, and of a pack in which it finds nothing all can be read.
#include <algorithm>
#include <vector>

#include "format/pack/sample_content.h"
#include "format/pack/verifier.h"
#include "format/worker_pool.h"
#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

void ReadSample(const Pack& pack, const Node& node) {
  std::vector<std::byte> buffer;
  for (uint64_t at = 0; at < node.size_bytes;) {
    const auto run = FindRun(pack.index(), node, at);
    Require(run.has_value(), "a sample that nothing is wrong with has each of its runs");
    at += run->length_bytes;
    if (!run->extent) continue;
    const auto extent = pack.index().GetExtent(*run->extent);
    Require(extent.has_value(), "a sample that nothing is wrong with has its extents");
    buffer.resize(extent->length_bytes);
    Require(pack.ReadExtent(*extent, buffer).has_value(), "an extent that nothing is wrong with can be read");
  }
}

// REQUIRES: no fault was found.
void ReadAll(const Pack& pack) {
  const Index& index = pack.index();
  std::vector<NodeNumber> pending = {0};
  uint64_t met = 0;
  while (!pending.empty()) {
    const NodeNumber number = pending.back();
    pending.pop_back();
    ++met;
    const auto resolved = index.Resolve(number);
    const auto node = resolved ? index.GetNode(*resolved) : std::unexpected(resolved.error());
    Require(node.has_value(), "an entry that nothing is wrong with can be read");
    Require(index.GetPath(number).has_value(), "an entry that nothing is wrong with has a path");
    const auto attributes = index.GetAttributes(node->attributes);
    Require(attributes && index.ForEachXattr(*attributes, [](const Xattr&) { return true; }),
            "an entry that nothing is wrong with has attributes");
    if (node->is_sample()) ReadSample(pack, *node);
    if (node->kind == NodeKind::kSymlink)
      Require(index.GetTarget(*node).has_value(), "a symlink that nothing is wrong with has a target");
    if (node->kind != NodeKind::kDirectory) continue;
    const auto directory = index.GetDirectory(node->content);
    Require(directory.has_value(), "a directory that nothing is wrong with can be listed");
    for (uint64_t i = 0; i < directory->child_count; ++i) {
      const auto child = index.GetChild(*directory, i);
      Require(child.has_value(), "a child that nothing is wrong with is found");
      pending.push_back(*child);
      const auto own = index.GetNode(*child);
      Require(own.has_value(), "a child that nothing is wrong with can be read");
      const auto name = index.GetName(*own);
      Require(name.has_value(), "a child that nothing is wrong with has a name");
      const auto found = index.Lookup(*directory, *name);
      Require(found && *found == *child, "a look-up finds each child of a directory that nothing is wrong with");
    }
  }
  const Superblock& told = index.superblock();
  Require(met == told.tree_directories() + told.samples + told.symlinks + told.hard_links,
          "the tree of a pack that nothing is wrong with has as many entries as it tells");
}

void Use(const Pack& pack) {
  constexpr uint64_t kFaultLimit = 20;
  static WorkerPool pool(1);  // one: what an input does must not depend on threads
  uint64_t told = 0;
  const auto summary = VerifyPack(pack, pool,
                                  {.on_fault =
                                       [&](const Fault& fault) {
                                         ++told;
                                         Require(!fault.message.empty(), "a fault says what it is");
                                       },
                                   .fault_limit = kFaultLimit});
  Require(summary.has_value(), "only an interruption ends a check early");
  Require(told == std::min(summary->faults, kFaultLimit), "faults are told up to the limit");
  if (summary->faults == 0) ReadAll(pack);
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto pack = quire::OpenInputAsFile({reinterpret_cast<const std::byte*>(data), size});
  if (pack == nullptr) return 0;
  if (!pack->has_other_files()) pack->OpenVolumes({});  // frames; no file of this machine is an input
  quire::Use(*pack);
  return 0;
}
