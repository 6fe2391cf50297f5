// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a pack and a path say, walking it ends, at an entry of the pack or with a reason.
// The path is what stands behind the pack.
#include "format/coding.h"
#include "format/pack/path_resolver.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quire;
  const auto pack = OpenInput({reinterpret_cast<const std::byte*>(data), size});
  if (!pack) return 0;
  const Index& index = *pack->index;
  const auto path = AsText(pack->trailing);
  for (const LastSymlink last : {LastSymlink::kKeep, LastSymlink::kFollow}) {
    const auto found = ResolvePath(index, path, last);
    if (!found) {
      Require(!found.error().message.empty(), "a path that leads nowhere has a reason");
      continue;
    }
    if (*found == 0) continue;  // the root, which a path without names is, unread
    const auto node = index.GetNode(*found);
    Require(node.has_value(), "what was found can be read");
    Require(node->kind != NodeKind::kHardLink, "what was found is no hard link");
    Require(last == LastSymlink::kKeep || node->kind != NodeKind::kSymlink, "what was followed is no symlink");
  }
  return 0;
}
