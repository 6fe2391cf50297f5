// SPDX-License-Identifier: Apache-2.0
// Goal: bytes reach the thread that waits for them, and nobody waits for a mount that has ended.
#include "fs/serve/read_handover.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

namespace quire {
namespace {

constexpr auto kNever = [] { return false; };
constexpr auto kAlways = [] { return true; };

TEST(ReadHandover, WhatWasGivenBeforeIsThere) {
  ReadHandover handover;
  handover.Give(Corrupt("damaged"));
  const auto result = handover.Await(kAlways);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error().message, "damaged");
}

TEST(ReadHandover, WhoeverWaitsIsWoken) {
  ReadHandover handover;
  const std::jthread giver([&handover] { handover.Give(SampleBytes()); });
  const auto result = handover.Await(kNever);
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->has_value());
}

TEST(ReadHandover, TheEndOfTheMountEndsTheWait) {
  const auto handover = std::make_shared<ReadHandover>();
  EXPECT_FALSE(handover->Await(kAlways).has_value());
  handover->Give(SampleBytes());                       // comes too late
  EXPECT_FALSE(handover->Await(kAlways).has_value());  // and was not kept
}

// A thread that has many such reads before it leaves each of them at once.
TEST(ReadHandover, NobodyBeginsToWaitForAMountThatHasEnded) {
  const auto began = std::chrono::steady_clock::now();
  for (int reads = 0; reads < 20; ++reads) EXPECT_FALSE(ReadHandover().Await(kAlways).has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

}  // namespace
}  // namespace quire
