// SPDX-License-Identifier: Apache-2.0
// Goal: of any number of keys, those that are read most are kept with what they read, in bounded memory.
#include "fs/trace/busiest_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace quire {
namespace {

constexpr ReadSum kOneRead = {.reads = 1, .files = 1, .bytes = 10};

TEST(BusiestKeys, CountsAllWhileThereIsRoom) {
  BusiestKeys keys;
  for (uint64_t key = 0; key < BusiestKeys::kKeys; ++key)
    for (uint64_t i = 0; i <= key; ++i) keys.Add(key, kOneRead);
  const auto list = keys.List();
  ASSERT_EQ(list.size(), BusiestKeys::kKeys);
  for (size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i].key, BusiestKeys::kKeys - 1 - i) << "the most reads come first";
    EXPECT_EQ(list[i].sum.reads, list[i].key + 1);
    EXPECT_EQ(list[i].sum.bytes, 10 * (list[i].key + 1));
    EXPECT_EQ(list[i].missed_at_most, 0U);
  }
}

TEST(BusiestKeys, ANewKeyTakesThePlaceOfTheLeastRead) {
  BusiestKeys keys;
  for (uint64_t key = 0; key < BusiestKeys::kKeys; ++key) keys.Add(key, {.reads = 10 + key, .files = 0, .bytes = 0});
  keys.Add(1000, kOneRead);
  const auto list = keys.List();
  ASSERT_EQ(list.size(), BusiestKeys::kKeys);
  const auto newest = std::ranges::find(list, 1000U, &BusyKey::key);
  ASSERT_NE(newest, list.end());
  EXPECT_EQ(newest->sum, kOneRead);
  EXPECT_EQ(newest->missed_at_most, 10U);
  EXPECT_EQ(std::ranges::find(list, 0U, &BusyKey::key), list.end());
}

// The sketch's promise, on a stream of which nobody chose the order.
TEST(BusiestKeys, WhatIsReadOftenIsThereAndItsCountIsWithinItsBounds) {
  BusiestKeys keys;
  std::map<uint64_t, uint64_t> truth;
  std::mt19937_64 random(1);
  constexpr uint64_t kReads = 200'000;
  for (uint64_t i = 0; i < kReads; ++i) {
    // A quarter of the reads are of five keys, the others of ten thousand.
    const uint64_t key = i % 4 == 0 ? random() % 5 : 100 + random() % 10'000;
    keys.Add(key, kOneRead);
    ++truth[key];
  }
  const auto list = keys.List();
  ASSERT_EQ(list.size(), BusiestKeys::kKeys);
  for (const BusyKey& key : list) {
    EXPECT_LE(key.sum.reads, truth[key.key]);
    EXPECT_GE(key.sum.reads + key.missed_at_most, truth[key.key]);
  }
  for (const auto& [key, reads] : truth) {
    if (reads <= kReads / BusiestKeys::kKeys) continue;
    EXPECT_NE(std::ranges::find(list, key, &BusyKey::key), list.end()) << key << " was read " << reads << " times";
  }
  for (size_t i = 0; i < 5; ++i) EXPECT_LT(list[i].key, 5U);
}

}  // namespace
}  // namespace quire
