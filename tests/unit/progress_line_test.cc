// SPDX-License-Identifier: Apache-2.0
// Goal: a line of progress tells percent and time first, fits whatever width there is, and tells all it can.
#include "tools/progress_line.h"

#include <gtest/gtest.h>

namespace quire {
namespace {

constexpr size_t kAllColumns = 1000;
constexpr uint64_t kMiB = 1 << 20;
const ProgressState kHalf = {
    .what = "packing", .counts = "5,678 of 11,356 samples", .done = 100 * kMiB, .total = 200 * kMiB};

std::string Line(const ProgressState& state, double seconds, size_t columns, bool has_bar = true) {
  return FormatProgress(state, seconds, ProgressTime::kLeft, columns, has_bar);
}

TEST(ProgressLine, TellsEverythingWhereThereIsRoom) {
  EXPECT_EQ(Line(kHalf, 10, kAllColumns, false),
            " 50 %  0:10 left  packing  100.0 MiB of 200.0 MiB  10.0 MiB/s  5,678 of 11,356 samples");
  EXPECT_EQ(Line(kHalf, 10, 110),
            " 50 %  0:10 left  packing  100.0 MiB of 200.0 MiB  10.0 MiB/s  5,678 of 11,356 samples"
            "  [==========          ]");
}

TEST(ProgressLine, LeavesOutTheLeastImportantFirst) {
  EXPECT_EQ(Line(kHalf, 10, 79), " 50 %  0:10 left  packing  100.0 MiB of 200.0 MiB  10.0 MiB/s  [=======       ]");
  EXPECT_EQ(Line(kHalf, 10, 61), " 50 %  0:10 left  packing  100.0 MiB of 200.0 MiB  10.0 MiB/s");
  EXPECT_EQ(Line(kHalf, 10, 30), " 50 %  0:10 left  packing");
  EXPECT_EQ(Line(kHalf, 10, 5), " 50 %");
}

TEST(ProgressLine, NeverIsWiderThanAllowed) {
  ProgressState state = kHalf;
  state.counts = "größer als gedacht";  // characters of two bytes
  for (size_t columns = 1; columns < 150; ++columns) {
    const std::string line = Line(state, 4000, columns);
    EXPECT_LE(line.size(), columns + 2) << line;
    EXPECT_TRUE(columns < 20 || line.starts_with(" 50 %  1:06:40 left")) << line;
  }
}

TEST(ProgressLine, AHundredPercentIsTheEnd) {
  ProgressState state = kHalf;
  state.done = state.total - 1;
  EXPECT_TRUE(Line(state, 10, 80).starts_with(" 99 %  0:00 left"));
  state.done = state.total;
  EXPECT_EQ(FormatProgress(state, 20, ProgressTime::kTaken, 59, true),
            "100 %  0:20  packing  200.0 MiB  10.0 MiB/s  [============]");
}

TEST(ProgressLine, WhatIsNotKnownYetIsNotTold) {
  EXPECT_EQ(Line({.what = "scanning", .counts = "1,234 entries"}, 65, 80), "1:05  scanning  1,234 entries");
  EXPECT_EQ(Line({.what = "packing", .total = 10}, 0.1, 30, false), "  0 %  packing  0 B of 10 B");
  EXPECT_EQ(Line({.what = "measuring", .done = 3, .total = 12, .is_bytes = false}, 30, 40, false),
            " 25 %  1:30 left  measuring  3 of 12");
}

}  // namespace
}  // namespace quire
