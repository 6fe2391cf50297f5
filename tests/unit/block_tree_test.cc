// Goal: index blocks are loaded at first touch, each checked, and damage stays in its block.
// Method: an index of three levels in memory, behind a reader that counts, damages and fails.
#include "format/block_tree.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// 8193 body blocks need two sum blocks, and so a third level.
constexpr uint64_t kBodyBytes = 8193 * kBlockBytes - 100;

class TreeImage {
 public:
  TreeImage() : geometry_(kBodyBytes), bytes_(geometry_.total_bytes) {
    for (uint64_t at = 0; at + 8 <= kBodyBytes; at += 4096) StoreUint<8>(bytes_, at, at * 0x9E3779B97F4A7C15U);
    for (size_t level = 0; level < geometry_.levels.size(); ++level) {
      const auto [offset, size] = geometry_.levels[level];
      for (uint64_t block = 0; block * kBlockBytes < size; ++block) {
        const uint64_t sum = Xxh3(std::span(bytes_).subspan(
            offset + block * kBlockBytes, std::min<uint64_t>(kBlockBytes, size - block * kBlockBytes)));
        if (level + 1 < geometry_.levels.size())
          StoreUint<8>(bytes_, geometry_.levels[level + 1].offset + block * 8, sum);
        else
          root_ = sum;
      }
    }
  }
  std::unique_ptr<BlockTree> Open() {
    return ValueOrDie(
        BlockTree::Create(kBodyBytes, root_, [this](uint64_t offset, std::span<std::byte> into) -> Result<void> {
          ++reads_;
          if (fails_) return SystemError(EIO, "read");
          std::memcpy(into.data(), bytes_.data() + offset, into.size());
          return {};
        }));
  }
  BlockTreeGeometry geometry_;
  std::vector<std::byte> bytes_;
  uint64_t root_ = 0;
  std::atomic<int> reads_ = 0;
  std::atomic<bool> fails_ = false;
};

TEST(BlockTree, GeometryEndsInOneBlock) {
  EXPECT_EQ(BlockTreeGeometry(1).levels.size(), 2U);
  EXPECT_EQ(BlockTreeGeometry(8192 * kBlockBytes).levels.size(), 2U);
  EXPECT_EQ(BlockTreeGeometry(8192 * kBlockBytes + 1).levels.size(), 3U);
  EXPECT_EQ(BlockTreeGeometry(100).levels[1].offset, 128U);
  EXPECT_EQ(BlockTreeGeometry(100).total_bytes, 136U);
}

TEST(BlockTree, OpeningReadsNothingAndATouchReadsOneBlockOfEachLevel) {
  TreeImage image;
  const auto tree = image.Open();
  EXPECT_EQ(image.reads_, 0);
  EXPECT_EQ(LoadUint<8>(tree->Touch(8000 * kBlockBytes, 8).value(), 0), 8000 * kBlockBytes * 0x9E3779B97F4A7C15U);
  EXPECT_EQ(image.reads_, 3);
  EXPECT_TRUE(tree->Touch(8000 * kBlockBytes + 17, 100).has_value());
  EXPECT_EQ(image.reads_, 3);
  EXPECT_TRUE(tree->Touch(8001 * kBlockBytes - 1, 2).has_value());  // across a boundary
  EXPECT_EQ(image.reads_, 4);
  EXPECT_TRUE(tree->Touch(kBodyBytes - 1, 1).has_value());  // the short last block, under the other sum block
  EXPECT_EQ(image.reads_, 6);
}

TEST(BlockTree, DamageHarmsItsBlockOnly) {
  TreeImage image;
  image.bytes_[5 * kBlockBytes + 77] ^= std::byte{1};
  const auto tree = image.Open();
  const auto damaged = tree->Touch(5 * kBlockBytes, 1);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(damaged.error().message.find("index block 5 "), std::string::npos) << damaged.error().message;
  EXPECT_TRUE(tree->Touch(4 * kBlockBytes, kBlockBytes).has_value());
  EXPECT_TRUE(tree->Touch(6 * kBlockBytes, kBlockBytes).has_value());
  EXPECT_FALSE(tree->Touch(5 * kBlockBytes - 1, 2).has_value());
}

TEST(BlockTree, ADamagedSumBlockHarmsWhatItCoversOnly) {
  TreeImage image;
  image.bytes_[image.geometry_.levels[1].offset + 8] ^= std::byte{1};
  const auto tree = image.Open();
  EXPECT_FALSE(tree->Touch(0, 1).has_value());
  EXPECT_TRUE(tree->Touch(8192 * kBlockBytes, 1).has_value());
}

TEST(BlockTree, AnErrorIsNotRemembered) {
  TreeImage image;
  const auto tree = image.Open();
  image.fails_ = true;
  EXPECT_EQ(tree->Touch(0, 1).error().code, ErrorCode::kSystem);
  image.fails_ = false;
  EXPECT_TRUE(tree->Touch(0, 1).has_value());
}

TEST(BlockTree, RangesOutsideOfTheBodyAreRefused) {
  TreeImage image;
  const auto tree = image.Open();
  EXPECT_FALSE(tree->Touch(kBodyBytes, 1).has_value());
  EXPECT_FALSE(tree->Touch(kBodyBytes - 1, 2).has_value());
  EXPECT_FALSE(tree->Touch(UINT64_MAX, 1).has_value());
  EXPECT_FALSE(tree->Touch(1, UINT64_MAX).has_value());
  EXPECT_TRUE(tree->Touch(kBodyBytes, 0).has_value());
}

TEST(BlockTree, ThreadsThatTouchTheSameBlocksAllSeeThem) {
  TreeImage image;
  const auto tree = image.Open();
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (uint64_t block = 0; block < 200; ++block) {
        const uint64_t at = block * kBlockBytes + 4096;
        const auto touched = tree->Touch(at, 8);
        if (!touched || LoadUint<8>(*touched, 0) != at * 0x9E3779B97F4A7C15U) ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(tree->loaded_bytes(), 200 * kBlockBytes + kBlockBytes + 16);
}

}  // namespace
}  // namespace quire
