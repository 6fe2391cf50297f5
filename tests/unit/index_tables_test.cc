// SPDX-License-Identifier: Apache-2.0
// Goal: samples that could not be read leave a sound index behind.
#include "format/write/index_tables.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "format/pack/path_resolver.h"
#include "format/pack/verifier.h"
#include "format/write/directory_tree.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

TEST(IndexTables, EqualAttributesAreKeptOnce) {
  const TemporaryFolder folder;
  IndexTables tables(folder.path());
  const uint32_t first = ValueOrDie(tables.InternAttributes({.mode = 0644, .uid = 1}));
  EXPECT_NE(ValueOrDie(tables.InternAttributes({.mode = 0644, .uid = 2})), first);
  EXPECT_EQ(ValueOrDie(tables.InternAttributes({.mode = 0644, .uid = 1})), first);
  EXPECT_EQ(tables.attributes.size(), 2U);
}

TEST(IndexTables, EqualXattrListsAreKeptOnce) {
  const TemporaryFolder folder;
  IndexTables tables(folder.path());
  Attributes a;
  Attributes b;
  Attributes c;
  OkOrDie(tables.InternXattrs(EncodeXattr("user.x", "1"), a));
  OkOrDie(tables.InternXattrs(EncodeXattr("user.x", "2"), b));
  OkOrDie(tables.InternXattrs(EncodeXattr("user.x", "1"), c));
  EXPECT_EQ(a, c);
  EXPECT_NE(a, b);
}

uint64_t FilePagesOfProcess() {
  uint64_t pages = 0;
  std::ifstream file("/proc/self/statm");
  file >> pages >> pages >> pages;
  return pages;
}

TEST(Spool, GrowsAndKeepsItsElements) {
  const TemporaryFolder folder;
  Spool<uint64_t> spool(folder.path());
  for (uint64_t i = 0; i < 1'000'000; ++i) OkOrDie(spool.Append(i * 3));
  for (uint64_t i = 0; i < spool.size(); i += 997) EXPECT_EQ(spool[i], i * 3);
}

TEST(Spool, WhatIsLetGoIsNotLost) {
  const TemporaryFolder folder;
  Spool<uint64_t> spool(folder.path());
  spool.LetGo();
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    OkOrDie(spool.Append(i * 3));
    if (i == 250'000) spool.LetGo();
  }
  const uint64_t before = FilePagesOfProcess();
  spool.LetGo();
  EXPECT_LT(FilePagesOfProcess() + 1'000, before) << "6 MB were resident";
  for (uint64_t i = 0; i < spool.size(); ++i) ASSERT_EQ(spool[i], i * 3);
}

TEST(Spool, AFolderThatIsNotThereIsAnError) {
  Spool<uint64_t> spool("/nonexistent/folder");
  EXPECT_FALSE(spool.Append(uint64_t{1}).has_value());
}

// A source whose files are swapped between scan and read cannot be staged through the packer, so the tables are told
// directly.
TEST(IndexTables, RemovingSamplesTakesTheirLinksAndClosesTheNumbersUp) {
  const TemporaryFolder folder;
  IndexTables tables(folder.path());
  // root: dir, a, gone, link-to-gone, z; dir: big (two segments), gone-too
  const auto add = [&](Node node, const char* name) { return ValueOrDie(tables.AddNode(node, name)); };
  add({.kind = NodeKind::kDirectory, .content = 0}, "");
  add({.size_bytes = 1, .kind = NodeKind::kFile, .content = 0}, "a");
  add({.kind = NodeKind::kDirectory, .content = 1}, "dir");
  const NodeNumber gone = add({.size_bytes = 1, .kind = NodeKind::kFile, .content = 1}, "gone");
  add({.kind = NodeKind::kHardLink, .content = gone}, "link-to-gone");
  const NodeNumber z = add({.size_bytes = 1, .kind = NodeKind::kFile, .content = 4}, "z");
  const NodeNumber big = add({.size_bytes = kPageBytes + 1, .kind = NodeKind::kSegmented, .content = 0}, "big");
  const NodeNumber gone_too = add({.size_bytes = 1, .kind = NodeKind::kFile, .content = 5}, "gone-too");
  add({.kind = NodeKind::kHardLink, .content = z}, "z2");
  OkOrDie(tables.directories.Append({.first_child = 1, .child_count = 5, .node = 0}));
  OkOrDie(tables.directories.Append({.first_child = 6, .child_count = 3, .node = 2}));
  for (const NodeNumber owner : {NodeNumber{1}, gone, big, big, z, gone_too})
    OkOrDie(tables.extents.Append({.length_bytes = 1, .node = owner}));
  OkOrDie(tables.segments.Append({.length_bytes = kPageBytes, .first_extent = 2, .following = 1}));
  OkOrDie(tables.segments.Append({.file_offset = kPageBytes, .length_bytes = 1, .first_extent = 3}));

  const NodeNumber link_to_gone = gone + 1;
  EXPECT_EQ(tables.HardLinksTo({gone, gone_too}), std::vector<NodeNumber>{link_to_gone});
  tables.RemoveNodes({gone, link_to_gone, gone_too});

  std::vector<std::string> paths;
  for (NodeNumber n = 1; n < tables.nodes.size(); ++n) paths.push_back(tables.PathOf(n));
  EXPECT_EQ(paths, (std::vector<std::string>{"a", "dir", "z", "dir/big", "dir/z2"}));
  ASSERT_EQ(tables.extents.size(), 4U);
  EXPECT_EQ(tables.extents[1].node, 4U);           // big
  EXPECT_EQ(tables.nodes[3].content, 3U);          // z's extent
  EXPECT_EQ(tables.extents[3].node, 3U);           // and back
  EXPECT_EQ(tables.nodes[5].content, 3U);          // z2 names z
  EXPECT_EQ(tables.segments[0].first_extent, 1U);  // big's
  EXPECT_EQ(tables.segments[1].first_extent, 2U);
  EXPECT_EQ(tables.directories[1].node, 2U);
  EXPECT_EQ(tables.directories[1].child_count, 2U);
}

}  // namespace
}  // namespace quire
