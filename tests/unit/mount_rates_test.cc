// SPDX-License-Identifier: Apache-2.0
// Goal: two looks at a mount become rates, whatever the documents lack.
#include "tools/top/mount_rates.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace quire {
namespace {

Json Stats(uint64_t hits, uint64_t fills, uint64_t memory_bytes, uint64_t disk_bytes) {
  return {
      {"uptime_s", 100.0},
      {"parked_requests", 3},
      {"failed_requests", hits / 100},
      {"sources", {{"kernel_bytes", 0}, {"memory_bytes", memory_bytes}, {"tier_bytes", 0}, {"disk_bytes", disk_bytes}}},
      {"counters",
       {{"hits", hits},
        {"joined", 0},
        {"fill_misses", fills},
        {"bypasses", 0},
        {"hit_bytes", memory_bytes},
        {"missed_bytes", 0}}},
      {"waits",
       {{"latency",
         {{{"from_us", 0}, {"below_us", 2}, {"reads", 0}}, {{"from_us", 2}, {"below_us", 4}, {"reads", fills}}}}}},
      {"push", {{"samples", hits}, {"control_pages", 10}, {"read_share", 0.9}}}};
}

// `reads` by thread 7 in folder a, half as many by thread 8 in folder b, each of 100 bytes, of every second the first.
Json Activity(double counted_s, uint64_t reads, uint64_t unassigned = 0) {
  const auto sum = [](Json entry, uint64_t count) {
    entry.update(Json{{"reads", count}, {"files", count / 2}, {"bytes", 100 * count}, {"missed_reads_at_most", 0}});
    return entry;
  };
  return {{"counted_s", counted_s},
          {"pid_namespace", 4026531836},
          {"unassigned_reads", unassigned},
          {"operations",
           Json::array({{{"operation", "read"},
                         {"latency",
                          {{{"from_us", 8}, {"below_us", 16}, {"requests", reads}},
                           {{"from_us", 16}, {"below_us", nullptr}, {"requests", reads / 2 + unassigned}}}}}})},
          {"threads", {sum({{"thread", 8}}, reads / 2), sum({{"thread", 7}}, reads)}},
          {"folders", {sum({{"path", "b"}}, reads / 2), sum({{"path", "a"}}, reads)}}};
}

const LatencyRate& Find(const MountRates& rates, const std::string& name) {
  return *std::ranges::find(rates.latencies, name, &LatencyRate::name);
}

TEST(MountRates, AreWhatCameInBetweenASecond) {
  const MountLook before = {.stats = Stats(100, 10, 1000, 5000), .activity = Json()};
  const MountLook after = {.stats = Stats(280, 30, 9000, 9000), .activity = Json()};
  const MountRates rates = RatesBetween(before, after, 2);
  EXPECT_FALSE(rates.is_activity_told);
  EXPECT_DOUBLE_EQ(rates.answered.reads_per_s, 100);
  EXPECT_DOUBLE_EQ(rates.answered.bytes_per_s, 4000);
  ASSERT_EQ(rates.levels.size(), 3U);
  EXPECT_EQ(rates.levels[0].name, "kernel");
  EXPECT_DOUBLE_EQ(*rates.levels[0].hits, 0.9);
  EXPECT_EQ(rates.levels[1].name, "memory");
  EXPECT_DOUBLE_EQ(rates.levels[1].bytes_per_s, 4000);
  EXPECT_DOUBLE_EQ(*rates.levels[1].hits, 0.9);
  EXPECT_EQ(rates.levels[2].name, "disk");
  EXPECT_DOUBLE_EQ(rates.levels[2].bytes_per_s, 2000);
  EXPECT_DOUBLE_EQ(*rates.levels[2].hits, 1);
  EXPECT_DOUBLE_EQ(rates.pushed_per_s, 90);
  EXPECT_EQ(rates.waiting, 3U);
  EXPECT_EQ(rates.failed, 1U);
  EXPECT_DOUBLE_EQ(Find(rates, "wait").per_s, 10);
  EXPECT_DOUBLE_EQ(Find(rates, "wait").p99_us, 4);
}

TEST(MountRates, WithoutReadsThereIsNoRatio) {
  const MountLook look = {.stats = Stats(100, 10, 1000, 5000), .activity = Json()};
  const MountRates rates = RatesBetween(look, look, 1);
  EXPECT_EQ(rates.levels[1].hits, std::nullopt);
  EXPECT_EQ(rates.levels[2].hits, std::nullopt);
  EXPECT_EQ(Find(rates, "wait").p50_us, 0);
}

TEST(MountRates, ThreadsAndFoldersOfTheMostReadsComeFirst) {
  const MountLook before = {.stats = Stats(0, 0, 0, 0), .activity = Activity(10, 1000)};
  const MountLook after = {.stats = Stats(0, 0, 0, 0), .activity = Activity(12, 1200)};
  // What was counted says itself for how long.
  const MountRates rates = RatesBetween(before, after, 60);
  EXPECT_TRUE(rates.is_activity_told);
  EXPECT_EQ(rates.pid_namespace, 4026531836U);
  ASSERT_EQ(rates.threads.size(), 2U);
  EXPECT_EQ(rates.threads[0].thread, 7U);
  EXPECT_DOUBLE_EQ(rates.threads[0].rate.reads_per_s, 100);
  EXPECT_DOUBLE_EQ(rates.threads[0].rate.files_per_s, 50);
  EXPECT_DOUBLE_EQ(rates.threads[0].rate.bytes_per_s, 10'000);
  ASSERT_EQ(rates.folders.size(), 2U);
  EXPECT_EQ(rates.folders[0].path, "a");
  EXPECT_DOUBLE_EQ(rates.folders[1].rate.reads_per_s, 50);
  EXPECT_DOUBLE_EQ(rates.answered.reads_per_s, 150);
  EXPECT_DOUBLE_EQ(rates.answered.files_per_s, 75);
  EXPECT_DOUBLE_EQ(rates.answered.bytes_per_s, 15'000);
  EXPECT_DOUBLE_EQ(Find(rates, "read").p50_us, 16);
  EXPECT_DOUBLE_EQ(Find(rates, "read").p99_us, 16) << "the last range has no upper border: where it begins";
}

TEST(MountRates, ReadsOfNobodyAreTakenToBeAsTheOthers) {
  const MountLook before = {.stats = Stats(0, 0, 0, 0), .activity = Activity(10, 1000)};
  const MountLook after = {.stats = Stats(0, 0, 0, 0), .activity = Activity(11, 1100, 150)};
  const MountRates rates = RatesBetween(before, after, 1);
  EXPECT_DOUBLE_EQ(rates.threads[0].rate.reads_per_s, 200);
  EXPECT_DOUBLE_EQ(rates.folders[1].rate.reads_per_s, 100);
  EXPECT_DOUBLE_EQ(rates.answered.reads_per_s, 300);
  EXPECT_DOUBLE_EQ(rates.answered.files_per_s, 150);
}

TEST(MountRates, WhoDidNotReadIsNotListed) {
  const MountLook look = {.stats = Stats(0, 0, 0, 0), .activity = Activity(10, 1000)};
  MountLook after = look;
  after.activity["counted_s"] = 11;
  after.activity["threads"][0]["reads"] = 501;
  const MountRates rates = RatesBetween(look, after, 1);
  ASSERT_EQ(rates.threads.size(), 1U);
  EXPECT_EQ(rates.threads[0].thread, 8U);
  EXPECT_TRUE(rates.folders.empty());
}

TEST(MountRates, WhatLostItsPlaceCountsFromItsComingBack) {
  const MountLook before = {.stats = Stats(0, 0, 0, 0), .activity = Activity(10, 1000)};
  const MountLook after = {.stats = Stats(0, 0, 0, 0), .activity = Activity(11, 40)};
  EXPECT_DOUBLE_EQ(RatesBetween(before, after, 1).threads[0].rate.reads_per_s, 40);
}

TEST(MountRates, DocumentsThatLackAllAreNoRates) {
  for (const Json& odd : {Json(), Json::object(), Json::array(), Json("text"),
                          Json{{"threads", 7}, {"operations", {1, 2}}, {"counted_s", "x"}}}) {
    const MountRates rates =
        RatesBetween({.stats = Json::object(), .activity = odd}, {.stats = Json::object(), .activity = odd}, 1);
    EXPECT_DOUBLE_EQ(rates.answered.reads_per_s, 0);
    EXPECT_TRUE(rates.threads.empty() && rates.folders.empty());
  }
}

}  // namespace
}  // namespace quire
