// SPDX-License-Identifier: Apache-2.0
// Goal: what is made for files of an index lies in volume 0 as a pack's samples do: aligned, each in one page, with its
// sum.
#include "format/import/made_content.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

TEST(MadeContent, PiecesLieInPagesAsExtentsOfAPackDo) {
  const TemporaryFolder folder;
  const File file(memfd_create("index", MFD_CLOEXEC));
  MadeContent made(file, folder.path());
  EXPECT_EQ(made.end(), kDataBegin);
  std::vector<std::string> texts = {std::string(MadeContent::kMaxPieceBytes, 'a'), "b",
                                    std::string(MadeContent::kMaxPieceBytes - 100, 'c'), std::string(101, 'd'), "e"};
  for (int i = 0; i < 5000; ++i)
    texts.push_back(std::string(static_cast<size_t>(1 + i % 1000), static_cast<char>('A' + i % 26)));
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(ValueOrDie(made.Add(texts[i])), i);
  OkOrDie(made.Finish());

  IndexTables tables(folder.path());
  uint64_t end = kDataBegin;
  for (size_t i = 0; i < texts.size(); i += i % 3 + 1) {  // what the tree has no file for gets no extent
    const Extent& extent = tables.extents[ValueOrDie(made.AddExtent(i, i, tables))];
    EXPECT_EQ(extent.volume, 0);
    EXPECT_EQ(extent.node, i);
    EXPECT_EQ(extent.offset % kExtentAlign, 0U);
    EXPECT_GE(extent.offset, end);
    end = extent.offset + extent.length_bytes;
    EXPECT_EQ(extent.offset / kPageBytes, (end - 1) / kPageBytes);
    ASSERT_EQ(extent.length_bytes, texts[i].size());
    std::vector<std::byte> bytes(extent.length_bytes);
    OkOrDie(file.ReadExactly(extent.offset, bytes));
    EXPECT_EQ(AsText(bytes), texts[i]);
    EXPECT_EQ(extent.sum, Xxh3(bytes));
  }
  EXPECT_LE(end, made.end());
}

}  // namespace
}  // namespace quire
