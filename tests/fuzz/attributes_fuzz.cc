// SPDX-License-Identifier: Apache-2.0
// Goal: whatever attributes and xattr lists say, modes are modes, and only xattrs of user.* are shown.
#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

namespace quire {
namespace {

void UseAttributes(const Index& index, const Attributes& attributes) {
  Require(attributes.mode <= 07777, "a mode has no other bits");
  uint64_t bytes = 0;
  const auto done = index.ForEachXattr(attributes, [&](const Xattr& xattr) {
    Require(xattr.name.starts_with("user.") && xattr.name.size() > 5, "an xattr that is shown is one of user.*");
    Require(xattr.name.find('\0') == xattr.name.npos, "no name holds a NUL");
    // Each byte is read, so that one outside of the index is seen.
    for (const std::byte byte : xattr.value) bytes += static_cast<uint64_t>(byte) > 0 ? 1 : 0;
    bytes += xattr.name.size();
    return true;
  });
  Require(!done || bytes <= attributes.xattr_bytes, "a list has no more than its bytes");
}

void Use(const Index& index) {
  const uint64_t count = index.layers().count(Section::kAttributes);
  for (uint64_t number = 0; number < std::min(count, kMostEntries); ++number) {
    const auto attributes = index.GetAttributes(static_cast<uint32_t>(number));
    if (attributes) UseAttributes(index, *attributes);
  }
  Require(!index.GetAttributes(UINT32_MAX), "attributes that are not there are not found");
  for (NodeNumber number = 0; number < std::min(index.node_count(), kMostEntries); ++number) {
    const auto node = index.GetNode(number);
    Require(!node || node->kind == NodeKind::kHardLink || node->attributes < count, "a node has attributes");
    if (!node) continue;
    const timespec mtime = DecodeMtime(node->mtime);
    Require(mtime.tv_nsec >= 0 && mtime.tv_nsec < 1'000'000'000, "a time has less than a second of nanoseconds");
  }
}

}  // namespace
}  // namespace quire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto pack = quire::OpenInput({reinterpret_cast<const std::byte*>(data), size});
  if (pack) quire::Use(*pack->index);
  return 0;
}
