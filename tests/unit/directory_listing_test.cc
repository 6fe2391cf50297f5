// SPDX-License-Identifier: Apache-2.0
// Goal: a listing brings along what stat(2) says of each entry, hard links resolved, and a walk reads the index in
// order, many blocks at once; what is damaged keeps its name where that can be read, and has no attributes.
// Method: packs of trees in memory, behind a reader that counts and damages.
#include "fs/serve/directory_listing.h"

#include <gtest/gtest.h>

#include <map>

#include "fs/serve/attributes.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

class ListingTest : public testing::Test {
 protected:
  // The index of `tree`, read from memory.
  void Open(const MemoryTree& tree) {
    const std::string path = folder_ / "t.quire";
    tree.WriteTo(path);
    bytes_ = ReadFile(path);
    superblock_ = ValueOrDie(Pack::Open(path))->superblock();
    Reopen();
  }

  // As `bytes_` are now.
  void Reopen() {
    index_ = ValueOrDie(Index::Open(superblock_, [this](uint64_t offset, std::span<std::byte> into) -> Result<void> {
      ++reads_;
      if (offset <= unreadable_ && unreadable_ < offset + into.size()) return SystemError(EIO, "read");
      std::memcpy(into.data(), bytes_.data() + offset, into.size());
      return {};
    }));
  }

  std::map<std::string, ListedEntry> List(NodeNumber directory) {
    std::map<std::string, ListedEntry> entries;
    const Omissions omissions = ValueOrDie(ListDirectory(*index_, directory, 1, 0, [&](const ListedEntry& entry) {
      entries.emplace(entry.name, entry);
      return true;
    }));
    EXPECT_EQ(omissions.count, 0U);
    return entries;
  }

  // The first byte of node `number` in bytes_.
  [[nodiscard]] size_t PlaceOfNode(NodeNumber number) const {
    return superblock_.index_offset + superblock_.section(Section::kNodes).offset + number * 32;
  }

  TemporaryFolder folder_;
  std::string bytes_;
  Superblock superblock_;
  std::unique_ptr<Index> index_;
  int reads_ = 0;
  uint64_t unreadable_ = ~uint64_t{0};  // this byte of the pack
};

TEST_F(ListingTest, AnEntryBringsTheAttributesOfItsInode) {
  MemoryTree tree;
  tree.AddFile("a/file", "some bytes").AddSymlink("link", "a/file").AddHardLink("z/hard", "a/file");
  Open(tree);
  const auto root = List(0);
  ASSERT_EQ(root.size(), 5U);
  EXPECT_FALSE(root.at(".").record.has_value());
  EXPECT_FALSE(root.at("..").record.has_value());
  const auto a = List(root.at("a").node);
  const auto z = List(root.at("z").node);
  EXPECT_EQ(z.at("hard").node, a.at("file").node);
  EXPECT_EQ(z.at("hard").type, mode_t{S_IFREG});
  for (const ListedEntry& entry : {root.at("a"), root.at("link"), a.at("file"), z.at("hard")}) {
    ASSERT_TRUE(entry.record.has_value());
    const struct stat listed = ValueOrDie(GetStat(*index_, *entry.record, {}));
    const struct stat asked = ValueOrDie(GetStat(*index_, entry.node, {}));
    EXPECT_EQ(std::memcmp(&listed, &asked, sizeof(asked)), 0) << entry.name;
    EXPECT_EQ(listed.st_mode & S_IFMT, entry.type);
  }
  EXPECT_EQ(ValueOrDie(GetStat(*index_, *z.at("hard").record, {})).st_nlink, 2U);
}

TEST_F(ListingTest, AHardLinkToADamagedNodeKeepsItsNameOnly) {
  MemoryTree tree;
  for (int i = 0; i < 5000; ++i) tree.AddFile(fmt::format("a/{:04}", i), "");
  tree.AddHardLink("z/hard", "a/2500");
  Open(tree);
  const NodeNumber z = List(0).at("z").node;
  const NodeNumber target = List(z).at("hard").node;
  bytes_[PlaceOfNode(target)] ^= 1;  // a block without the root, z and what it holds
  Reopen();
  ASSERT_FALSE(index_->GetNode(target).has_value());
  const ListedEntry link = List(z).at("hard");
  EXPECT_FALSE(link.record.has_value());
  EXPECT_EQ(link.type, 0U);
}

// The kernel keeps a listing that ended well: one that lacks what the disk did not give must not.
TEST_F(ListingTest, AListingWithoutWhatCannotBeReadEndsWithAnError) {
  constexpr int kFiles = 1000;
  MemoryTree tree;
  for (int i = 0; i < kFiles; ++i) tree.AddFile(fmt::format("{:0200}", i), "");
  Open(tree);
  // In parts, as the kernel asks: the number of entries, or the error at the end.
  const auto list_in_parts = [this](uint64_t cookie) -> Result<int> {
    for (int entries = 0;;) {
      int part = 0;
      const auto listed = ListDirectory(*index_, 0, 1, cookie, [&](const ListedEntry& entry) {
        if (part == 30) return false;
        ++part;
        cookie = entry.next_cookie;
        return true;
      });
      if (!listed) return std::unexpected(listed.error());
      if (part == 0) return entries;
      entries += part;
    }
  };
  const Section names = Section::kNames;
  for (const uint64_t share : {0, 1, 2}) {  // the first block of names, one in the middle, the last
    unreadable_ = superblock_.index_offset + superblock_.section(names).offset +
                  (superblock_.section(names).bytes - 1) * share / 2;
    Reopen();
    const auto listed = list_in_parts(0);
    ASSERT_FALSE(listed.has_value());
    EXPECT_EQ(listed.error().code, ErrorCode::kSystem);
    unreadable_ = ~uint64_t{0};
    EXPECT_EQ(ValueOrDie(list_in_parts(0)), kFiles + 2);
  }
  // What is damaged will not come back.
  bytes_[superblock_.index_offset + superblock_.section(names).offset + superblock_.section(names).bytes / 2] ^= 1;
  Reopen();
  EXPECT_LT(ValueOrDie(list_in_parts(0)), kFiles + 2);
}

TEST_F(ListingTest, AWalkReadsManyBlocksAtOnce) {
  MemoryTree tree;
  for (int i = 0; i < 40'000; ++i) tree.AddFile(fmt::format("folder-{:02}/sample-{:012}", i / 1000, i), "");
  Open(tree);
  uint64_t entries = 0;
  for (const auto& [folder_name, folder] : List(0)) {
    if (folder_name.starts_with(".")) continue;
    for (const auto& [name, entry] : List(folder.node)) {
      if (!entry.record) continue;
      ++entries;
      ASSERT_TRUE(GetStat(*index_, *entry.record, {}).has_value());
    }
  }
  EXPECT_EQ(entries, 40'000U);
  const uint64_t blocks = index_->layers().newest().blocks->loaded_bytes() / kBlockBytes;
  EXPECT_GE(blocks, 30U);  // 40,000 nodes of 32 bytes and as many names of 19
  EXPECT_LE(reads_, 15) << "for " << blocks << " blocks";
}

}  // namespace
}  // namespace quire
