// SPDX-License-Identifier: Apache-2.0
// Goal: a sample is stored whole, in pieces that no reader waits long for, and counted and believed stored only then; a
// kernel that cannot take any is not asked again.
#include "fs/feed/kernel_store.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <future>

#include "tests/support/memory_tree.h"
#include "tests/support/recording_store.h"

namespace quire {
namespace {

constexpr NodeNumber kNode = 3;
constexpr SamplePiece kPiece = {.node = kNode, .extent = 3};

class KernelStoreTest : public testing::Test {
 protected:
  bool Store(const std::string& bytes) { return store_.Store(kPiece, std::as_bytes(std::span(bytes))); }

  KernelView view_{10, 10};
  RecordingStore store_{view_};
};

TEST_F(KernelStoreTest, StoresAllBytesInPiecesOf128KiB) {
  const std::string bytes = Noise(300'000, 1);
  EXPECT_TRUE(Store(bytes));
  EXPECT_TRUE(store_.BytesOf(kNode) == bytes);
  EXPECT_EQ(store_.calls(), 3U);
  EXPECT_EQ(store_.samples(), 1U);
  EXPECT_EQ(store_.bytes(), 300'000U);
  EXPECT_EQ(store_.refused(), 0U);
  EXPECT_TRUE(view_.IsSettled(kNode, kPiece.extent));
}

// A page of the kernel's that came in two parts is never whole for it, and is asked for again.
TEST_F(KernelStoreTest, APieceIsDividedWhereTheKernelsPagesAre) {
  const std::string bytes = Noise(300'000, 1);
  EXPECT_TRUE(store_.Store({.node = kNode, .extent = 3, .file_offset = 1'000}, std::as_bytes(std::span(bytes))));
  EXPECT_TRUE(store_.BytesOf(kNode).substr(1'000) == bytes);
  EXPECT_EQ(store_.offsets(), (std::vector<uint64_t>{1'000, 131'072, 262'144}));
}

TEST_F(KernelStoreTest, ASampleThatIsRefusedIsNotBelievedStored) {
  store_.Answer(-ENOENT);
  EXPECT_FALSE(Store(Noise(300'000, 1)));
  EXPECT_EQ(store_.calls(), 1U) << "what comes behind a refused piece is of no use";
  EXPECT_EQ(store_.samples(), 0U);
  EXPECT_EQ(store_.refused(), 1U);
  EXPECT_FALSE(view_.IsSettled(kNode, kPiece.extent));
}

// Else the two would meet at each part, and a daemon that is killed in such a moment leaves both waiting.
TEST_F(KernelStoreTest, ASampleThatTheKernelBeginsToReadIsLeftToItsReader) {
  store_.Hold();
  auto stored = std::async(std::launch::async, [&] { return Store(Noise(300'000, 1)); });
  ASSERT_TRUE(store_.WaitForCalls(1));
  view_.BeginRead(kNode, kPiece.extent);
  store_.Resume();
  EXPECT_FALSE(stored.get());
  EXPECT_EQ(store_.calls(), 1U);
  EXPECT_EQ(store_.samples(), 0U);
}

TEST_F(KernelStoreTest, AnUnknownInodeDoesNotEndPushing) {
  store_.Answer(-ENOENT);
  EXPECT_FALSE(Store("bytes"));
  EXPECT_TRUE(store_.is_supported());
  store_.Answer(0);
  EXPECT_TRUE(Store("bytes"));
}

TEST_F(KernelStoreTest, AKernelThatCannotIsAskedOnce) {
  spdlog::set_level(spdlog::level::off);
  store_.Answer(-ENOSYS);
  EXPECT_FALSE(Store("bytes"));
  EXPECT_FALSE(store_.is_supported());
  EXPECT_FALSE(Store("bytes"));
  EXPECT_EQ(store_.calls(), 1U);
  spdlog::set_level(spdlog::level::info);
}

}  // namespace
}  // namespace quire
