// SPDX-License-Identifier: Apache-2.0
// Goal: index blocks are loaded at first touch, those that are touched in order several at once, each checked, and
// damage stays in its block.
// Method: an index of three levels in memory, behind a reader that counts, damages and fails.
#include "format/pack/block_tree.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "format/checksum.h"
#include "format/coding.h"
#include "tests/support/memory_tree.h"

namespace quire {
namespace {

// 8193 body blocks need two sum blocks, and so a third level.
constexpr uint64_t kBlocks = 8193;
constexpr uint64_t kBodyBytes = kBlocks * kBlockBytes - 100;
constexpr uint64_t kUpperSums = kBlockBytes + 8 + 16;  // of the levels above the body

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
          read_bytes_ += into.size();
          if (fails_) return SystemError(EIO, "read");
          const uint64_t bad = unreadable_block_ * kBlockBytes;
          if (offset < bad + kBlockBytes && offset + into.size() > bad) return SystemError(EIO, "read");
          std::memcpy(into.data(), bytes_.data() + offset, into.size());
          if (wrong_reads_ > 0 && wrong_reads_-- > 0) into[into.size() / 2] ^= std::byte{1};
          return {};
        }));
  }
  BlockTreeGeometry geometry_;
  std::vector<std::byte> bytes_;
  uint64_t root_ = 0;
  uint64_t unreadable_block_ = UINT64_MAX / kBlockBytes - 1;  // of the body; behind its end: none
  std::atomic<int> reads_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
  std::atomic<bool> fails_ = false;
  int wrong_reads_ = 0;  // so many more
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

TEST(BlockTree, ABlockThatCameWrongIsReadOnceMore) {
  TreeImage image;
  const auto tree = image.Open();
  image.wrong_reads_ = 1;
  EXPECT_TRUE(tree->Touch(0, 1).has_value());
  EXPECT_EQ(image.reads_, 4);  // the top of the sums, twice
  image.wrong_reads_ = 2;
  EXPECT_FALSE(tree->Touch(100 * kBlockBytes, 1).has_value());
  EXPECT_EQ(image.reads_, 6);
  EXPECT_TRUE(tree->Touch(100 * kBlockBytes, 1).has_value());
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

TEST(BlockTree, BlocksThatAreTouchedInOrderAreReadTogether) {
  TreeImage image;
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 1024; ++block) {
    ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
    ASSERT_LE(tree->loaded_bytes(), (block + 1) * 2 * kBlockBytes + kUpperSums) << "more than half is read for nothing";
    ASSERT_LE(tree->loaded_bytes(), (block + 1) * kBlockBytes + (1 << 20) + kUpperSums);
  }
  // 1, 1, 2, 4, 8, and then 16 blocks at a time; a sum block of each level.
  EXPECT_EQ(image.reads_, 5 + 1008 / 16 + 2);
}

TEST(BlockTree, RunsThatTakeTurnsAreReadTogether) {
  TreeImage image;
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 256; ++block)
    for (const uint64_t begin : {0, 1000, 3000, 5000})
      ASSERT_TRUE(tree->Touch((begin + block) * kBlockBytes, 1).has_value());
  EXPECT_EQ(image.reads_, 4 * (5 + 240 / 16) + 2);
}

TEST(BlockTree, WhatIsLoadedAlreadyEndsNoRun) {
  TreeImage image;
  const auto tree = image.Open();
  for (uint64_t block = 10; block < 256; block += 20) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  const int before = image.reads_;
  for (uint64_t block = 0; block < 256; ++block) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  EXPECT_LE(image.reads_ - before, 5 + 2 * 256 / 20);
  EXPECT_EQ(image.read_bytes_, tree->loaded_bytes()) << "something was read twice";
}

TEST(BlockTree, NothingIsReadAlongWhereNothingIsInOrder) {
  TreeImage image;
  const auto tree = image.Open();
  std::set<uint64_t> touched;
  const auto touch = [&](uint64_t block) {
    ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
    touched.insert(block);
  };
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) touch(random() % 4000);
  for (uint64_t block = 5000; block < 6000; block += 3) {  // neighbours, as a binary search meets them
    touch(block);
    touch(block + 1);
  }
  for (uint64_t block = 7000; block > 6500; --block) touch(block);
  EXPECT_EQ(tree->loaded_bytes(), touched.size() * kBlockBytes + kBlockBytes + 16);
  EXPECT_EQ(image.read_bytes_, tree->loaded_bytes());
}

TEST(BlockTree, DamageInWhatIsReadAlongHarmsItselfOnly) {
  TreeImage image;
  image.bytes_[20 * kBlockBytes + 77] ^= std::byte{1};
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 64; ++block) {
    const auto touched = tree->Touch(block * kBlockBytes, 1);
    ASSERT_EQ(touched.has_value(), block != 20) << block;
    if (touched) continue;
    EXPECT_NE(touched.error().message.find("index block 20 "), std::string::npos);
  }
  EXPECT_LT(image.reads_, 16) << "nothing was read along";
  const int before = image.reads_;
  EXPECT_FALSE(tree->Touch(20 * kBlockBytes, 1).has_value());
  EXPECT_EQ(image.reads_, before + 2);  // once more
  image.bytes_[20 * kBlockBytes + 77] ^= std::byte{1};
  EXPECT_TRUE(tree->Touch(20 * kBlockBytes, 1).has_value());
}

TEST(BlockTree, ABlockThatCannotBeReadHarmsItselfOnly) {
  TreeImage image;
  image.unreadable_block_ = 20;
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 64; ++block) {
    const auto touched = tree->Touch(block * kBlockBytes, 1);
    ASSERT_EQ(touched.has_value(), block != 20) << block;
    if (touched) continue;
    EXPECT_EQ(touched.error().code, ErrorCode::kSystem);
  }
  EXPECT_LT(image.reads_, 30) << "nothing was read along";
}

TEST(BlockTree, TheLastBlockIsReadAlong) {
  TreeImage image;
  const auto tree = image.Open();
  for (uint64_t block = kBlocks - 40; block < kBlocks; ++block)
    ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  EXPECT_EQ(tree->loaded_bytes(), 40 * kBlockBytes - 100 + kUpperSums);
  EXPECT_LT(image.reads_, 12);
}

TEST(BlockTree, ThreadsThatTouchTheSameBlocksAllSeeThem) {
  TreeImage image;
  const auto tree = image.Open();
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (uint64_t block = kBlocks - 200; block < kBlocks; ++block) {
        const uint64_t at = block * kBlockBytes + 4096;
        const auto touched = tree->Touch(at, 8);
        if (!touched || LoadUint<8>(*touched, 0) != at * 0x9E3779B97F4A7C15U) ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(tree->loaded_bytes(), 200 * kBlockBytes - 100 + kUpperSums);  // all blocks to the end: none is read along
}

// The same far away. A read that was begun comes when somebody waits, and all others with it: what is counted are round
// trips. The thread of the test is the one that brings the bytes, which never waits for itself but reads alone.
class DistantImage {
 public:
  std::unique_ptr<BlockTree> Open() {
    const auto copy = [this](uint64_t offset, std::span<std::byte> into) {
      std::memcpy(into.data(), image_.bytes_.data() + offset, into.size());
    };
    return ValueOrDie(BlockTree::Create(kBodyBytes, image_.root_,
                                        [this, copy](uint64_t offset, std::span<std::byte> into) -> Result<void> {
                                          ++round_trips_;
                                          for (const auto& read : under_way_) read->End(!fails_);
                                          under_way_.clear();
                                          if (fails_) return SystemError(EIO, "read");
                                          copy(offset, into);
                                          return {};
                                        },
                                        {.start_at =
                                             [this, copy](uint64_t offset, uint64_t bytes) {
                                               auto read =
                                                   std::make_shared<PendingRead>(bytes, std::this_thread::get_id());
                                               copy(offset, read->into());
                                               begun_bytes_ += bytes;
                                               if (is_near_)
                                                 read->End(true);
                                               else
                                                 under_way_.push_back(read);
                                               return read;
                                             },
                                         .distrust = nullptr}));
  }
  TreeImage image_;
  bool is_near_ = false;  // all that is begun has come at once
  bool fails_ = false;
  int round_trips_ = 0;
  std::atomic<uint64_t> begun_bytes_ = 0;
  std::vector<std::shared_ptr<PendingRead>> under_way_;
};

TEST(BlockTree, BlocksFarAwayAreAskedForAheadOfAWalk) {
  DistantImage image;
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 1024; ++block) {
    ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
    ASSERT_LE(image.begun_bytes_, (block + 1) * 3 * kBlockBytes + kUpperSums) << "more than two thirds for nothing";
    ASSERT_LE(image.begun_bytes_, (block + 1) * kBlockBytes + (5 << 20) + kUpperSums);
  }
  EXPECT_LE(image.round_trips_, 30) << "the window holds 64 blocks, and is reached soon";
  const uint64_t before = image.begun_bytes_;
  for (uint64_t block = 1024; block < kBlocks; ++block) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  EXPECT_GT(image.begun_bytes_, before);
  EXPECT_EQ(image.begun_bytes_, tree->loaded_bytes()) << "something was asked for twice";
}

TEST(BlockTree, NothingFarAwayIsAskedForAheadOfLookUps) {
  DistantImage image;
  const auto tree = image.Open();
  for (uint64_t block = 5000; block < 6000; block += 3) {
    ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
    ASSERT_TRUE(tree->Touch((block + 1) * kBlockBytes, 1).has_value());
  }
  EXPECT_EQ(image.begun_bytes_, 2 * 334 * kBlockBytes + kBlockBytes + 16);
}

TEST(BlockTree, WalksThatWereLeftDoNotKeepALaterOneFromReadingAhead) {
  DistantImage image;
  const auto tree = image.Open();
  for (const uint64_t begin : {0, 1000, 2000, 3000, 4000, 5000})
    for (uint64_t block = begin; block < begin + 300; ++block)
      ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  image.round_trips_ = 0;
  for (uint64_t block = 6000; block < 6640; ++block) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  EXPECT_LE(image.round_trips_, 30);
}

TEST(BlockTree, DamageInWhatWasAskedForAheadHarmsItselfOnly) {
  DistantImage image;
  image.image_.bytes_[20 * kBlockBytes + 77] ^= std::byte{1};
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 64; ++block)
    ASSERT_EQ(tree->Touch(block * kBlockBytes, 1).has_value(), block != 20) << block;
  image.image_.bytes_[20 * kBlockBytes + 77] ^= std::byte{1};
  EXPECT_TRUE(tree->Touch(20 * kBlockBytes, 1).has_value()) << "an error was remembered";
}

TEST(BlockTree, WhatFailedAheadIsReadAgainAtItsTouch) {
  DistantImage image;
  const auto tree = image.Open();
  for (uint64_t block = 0; block < 20; ++block) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  image.fails_ = true;
  EXPECT_EQ(tree->Touch(100 * kBlockBytes, 1).error().code, ErrorCode::kSystem);
  EXPECT_TRUE(image.under_way_.empty());
  image.fails_ = false;
  for (uint64_t block = 20; block < 64; ++block) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
}

TEST(BlockTree, WhatIsExpectedComesInOneRoundTrip) {
  DistantImage image;
  const auto tree = image.Open();
  ASSERT_TRUE(tree->Touch(0, 1).has_value());
  image.round_trips_ = 0;
  for (uint64_t block = 4000; block > 3; block /= 2) tree->Expect(block * kBlockBytes);
  tree->Expect(UINT64_MAX);
  for (uint64_t block = 4000; block > 3; block /= 2) ASSERT_TRUE(tree->Touch(block * kBlockBytes, 1).has_value());
  EXPECT_EQ(image.round_trips_, 1);
}

TEST(BlockTree, ThreadsThatNeedTheSameBlocksShareOneRead) {
  DistantImage image;
  image.is_near_ = true;
  const auto tree = image.Open();
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (uint64_t block = kBlocks - 200; block < kBlocks; ++block)
        if (!tree->Touch(block * kBlockBytes, 1)) ++wrong;
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(image.begun_bytes_, tree->loaded_bytes());
}

}  // namespace
}  // namespace quire
