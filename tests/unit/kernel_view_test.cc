// SPDX-License-Identifier: Apache-2.0
// Goal: what is believed of the kernel's cache follows what the kernel tells, and each push and each sample left out is
// accounted for once.
#include "fs/feed/kernel_view.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace quire {
namespace {

constexpr NodeNumber kNode = 7;
constexpr ExtentNumber kExtent = 3;  // one of its
constexpr ExtentNumber kOther = 4;   // and another

class KernelViewTest : public testing::Test {
 protected:
  KernelView view_{10, 10};
};

TEST_F(KernelViewTest, NothingIsKnownAtFirst) {
  for (NodeNumber node = 0; node < 10; ++node) {
    EXPECT_FALSE(view_.IsKnown(node));
    EXPECT_FALSE(view_.IsSettled(node, kExtent));
  }
}

TEST_F(KernelViewTest, AReplyMakesAnInodeKnownAndNoOther) {
  view_.Told(kNode);
  EXPECT_TRUE(view_.IsKnown(kNode));
  EXPECT_FALSE(view_.IsSettled(kNode, kExtent));
  EXPECT_FALSE(view_.IsKnown(kNode - 1));
  EXPECT_FALSE(view_.IsKnown(kNode + 1));
}

TEST_F(KernelViewTest, AReadSettlesASampleAndShowsThatItIsKnown) {
  const auto event = view_.BeginRead(kNode, kExtent);
  EXPECT_FALSE(event.was_pushed);
  EXPECT_FALSE(event.was_control);
  EXPECT_TRUE(view_.IsKnown(kNode));
  EXPECT_TRUE(view_.IsSettled(kNode, kExtent));
}

TEST_F(KernelViewTest, APushedSampleThatIsReadWasDroppedOnce) {
  view_.Told(kNode);
  view_.Pushed(kNode, kExtent);
  EXPECT_TRUE(view_.IsSettled(kNode, kExtent));
  EXPECT_TRUE(view_.BeginRead(kNode, kExtent).was_pushed);
  EXPECT_FALSE(view_.BeginRead(kNode, kExtent).was_pushed) << "the next piece of the same sample";
  EXPECT_TRUE(view_.IsSettled(kNode, kExtent));
}

TEST_F(KernelViewTest, ASampleThatWasReadAndPushedAgainIsSeenToBeDropped) {
  view_.BeginRead(kNode, kExtent);
  view_.Pushed(kNode, kExtent);
  EXPECT_TRUE(view_.BeginRead(kNode, kExtent).was_pushed);
  EXPECT_FALSE(view_.BeginRead(kNode, kExtent).was_pushed);
}

TEST_F(KernelViewTest, ASampleLeftOutIsSettledAndItsFirstReadTells) {
  view_.Told(kNode);
  view_.LeftOut(kNode, kExtent);
  EXPECT_TRUE(view_.IsSettled(kNode, kExtent));
  const auto event = view_.BeginRead(kNode, kExtent);
  EXPECT_TRUE(event.was_control);
  EXPECT_FALSE(event.was_pushed);
  EXPECT_FALSE(view_.BeginRead(kNode, kExtent).was_control);
}

TEST_F(KernelViewTest, NothingIsLeftOfAnInodeThatIsGone) {
  view_.Told(kNode);
  view_.Pushed(kNode, kExtent);
  view_.LeftOut(kNode, kExtent);
  view_.Forgotten(kNode);
  EXPECT_FALSE(view_.IsKnown(kNode));
  EXPECT_FALSE(view_.IsSettled(kNode, kExtent));
  view_.Told(kNode);
  const auto event = view_.BeginRead(kNode, kExtent);
  EXPECT_FALSE(event.was_pushed);
  EXPECT_FALSE(event.was_control);
}

TEST_F(KernelViewTest, AnInodeThatIsGoneTakesAllItsExtentsAlong) {
  view_.Told(kNode);
  view_.Pushed(kNode, kExtent);
  view_.BeginRead(kNode, kOther);
  EXPECT_TRUE(view_.Forgotten(kNode));
  EXPECT_FALSE(view_.Forgotten(kNode)) << "the second time";
  view_.Told(kNode);
  EXPECT_FALSE(view_.IsSettled(kNode, kExtent));
  EXPECT_FALSE(view_.IsSettled(kNode, kOther));
}

TEST_F(KernelViewTest, ExtentsOfOneSampleAreApart) {
  view_.Pushed(kNode, kExtent);
  EXPECT_FALSE(view_.IsSettled(kNode, kOther));
  EXPECT_FALSE(view_.BeginRead(kNode, kOther).was_pushed);
  EXPECT_TRUE(view_.BeginRead(kNode, kExtent).was_pushed);
}

TEST_F(KernelViewTest, AReadOfOneExtentIsAReadOfItsSample) {
  view_.Pushed(kNode, kOther);
  EXPECT_FALSE(view_.WasRead(kNode));
  view_.BeginRead(kNode, kExtent);
  EXPECT_TRUE(view_.WasRead(kNode));
  view_.Forgotten(kNode);
  EXPECT_FALSE(view_.WasRead(kNode));
}

TEST_F(KernelViewTest, AnExtentThatIsRenewedIsNotSettled) {
  view_.Pushed(kNode, kExtent);
  view_.Renew(kExtent);
  EXPECT_FALSE(view_.IsSettled(kNode, kExtent));
  EXPECT_FALSE(view_.BeginRead(kNode, kExtent).was_pushed);
}

TEST_F(KernelViewTest, BeingToldAgainChangesNothing) {
  view_.Told(kNode);
  view_.Pushed(kNode, kExtent);
  view_.Told(kNode);
  EXPECT_TRUE(view_.BeginRead(kNode, kExtent).was_pushed);
}

TEST_F(KernelViewTest, OneOfManyReadersIsToldOfEachPush) {
  for (int round = 0; round < 200; ++round) {
    view_.Told(kNode);
    view_.Pushed(kNode, kExtent);
    std::atomic<int> drops = 0;
    {
      std::vector<std::jthread> readers;
      for (int i = 0; i < 4; ++i)
        readers.emplace_back([&] { drops += view_.BeginRead(kNode, kExtent).was_pushed ? 1 : 0; });
    }
    ASSERT_EQ(drops, 1);
  }
}

}  // namespace
}  // namespace quire
