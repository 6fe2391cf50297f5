// SPDX-License-Identifier: Apache-2.0
// Goal: the report of a mount says what it names, and is JSON whatever the pack is called.
#include "fs/serve/mount_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace quire {
namespace {

nlohmann::json Reported(const FeedFigures& feed) {
  MountReport report;
  report.feed = feed;
  return nlohmann::json::parse(FormatReport(report));
}

TEST(MountReport, SaysItsSchemaAndThePackWhateverItsName) {
  MountReport report;
  report.pack_path = "/a\xFF\xE2\x80\xAE";
  const std::string text = FormatReport(report);
  EXPECT_TRUE(std::ranges::all_of(text, [](unsigned char byte) { return byte < 0x7F; }));
  const auto document = nlohmann::json::parse(text);
  EXPECT_EQ(document["schema"], 1);
  EXPECT_EQ(document["pack"], "/a\xEF\xBF\xBD\xE2\x80\xAE");
  EXPECT_EQ(document["pack_base64"], "L2H/4oCu");
}

TEST(MountReport, TellsWhatWasPushedAndWhatCameOfIt) {
  const auto push = Reported({.mode = PushMode::kOn,
                              .is_pushing = true,
                              .pushed_samples = 1,
                              .pushed_bytes = 2,
                              .refused_pushes = 3,
                              .push = {.pages = 9,
                                       .handed_on_pages = 10,
                                       .control_pages = 4,
                                       .control_pages_read = 1,
                                       .pushed_page_bytes = 80,
                                       .dropped_samples = 6,
                                       .pauses = 7,
                                       .is_paused = true,
                                       .is_memory_short = true,
                                       .available_bytes = 8},
                              .plan = {}})["push"];
  EXPECT_EQ(push, nlohmann::json::parse(R"({"mode": "on", "is_pushing": true, "samples": 1, "bytes": 2, "refused": 3,
      "pages": 9, "handed_on_pages": 10, "control_pages": 4, "control_pages_read": 1, "read_share": 0.25, "dropped_samples": 6, "pauses": 7,
      "is_paused": true, "is_memory_short": true, "available_bytes": 8})"));
}

TEST(MountReport, WithoutPushesThereIsNoShareThatWasRead) { EXPECT_TRUE(Reported({})["push"]["read_share"].is_null()); }

TEST(MountReport, TellsWhatPlansToldAndWhereTheyAre) {
  const auto plan = Reported({.push = {},
                              .plan = {.told = 1,
                                       .ignored = 2,
                                       .prefetched = 3,
                                       .overtaken = 4,
                                       .expected_reads = 5,
                                       .unexpected_reads = 6,
                                       .forgotten_plans = 7,
                                       .ahead = 8,
                                       .left = 9,
                                       .memory_bytes = 11},
                              .plan_unknown = 10})["plan"];
  EXPECT_EQ(plan, nlohmann::json::parse(R"({"told": 1, "ignored": 2, "prefetched": 3, "overtaken": 4,
      "expected_reads": 5, "unexpected_reads": 6, "forgotten_plans": 7, "ahead": 8, "left": 9, "memory_bytes": 11,
      "unknown": 10})"));
}

}  // namespace
}  // namespace quire
