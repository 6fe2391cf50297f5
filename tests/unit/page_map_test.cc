// SPDX-License-Identifier: Apache-2.0
// Goal: sets of pages are written and read as runs without loss, and no text makes anything else of them.
#include "fs/serve/page_map.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace quire {
namespace {

TEST(PageRuns, PagesInARowAreOneRun) {
  std::vector<PageRun> runs;
  for (const uint64_t page : {0, 1, 2, 5, 7, 8}) AddPage(page, runs);
  EXPECT_EQ(runs, (std::vector<PageRun>{{0, 3}, {5, 1}, {7, 2}}));
  EXPECT_EQ(FormatPageRuns(runs), "0+3,5+1,7+2");
  EXPECT_EQ(FormatPageRuns({}), "");
}

TEST(PageRuns, AreReadAsTheyWereWritten) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 100; ++round) {
    std::vector<PageRun> runs;
    for (uint64_t page = 0; page < 200; ++page)
      if (random() % 3 == 0) AddPage(page, runs);
    EXPECT_EQ(ParsePageRuns(FormatPageRuns(runs), 200), runs);
  }
}

TEST(PageRuns, OtherTextsAreRefused) {
  constexpr uint64_t kPages = 100;
  EXPECT_TRUE(ParsePageRuns("", 0).has_value());
  EXPECT_TRUE(ParsePageRuns("0+100", kPages).has_value());
  EXPECT_TRUE(ParsePageRuns("99+1", kPages).has_value());
  for (const char* const text : {"0",
                                 "0+",
                                 "+1",
                                 "0+0",
                                 "0+101",
                                 "100+1",
                                 "99+2",
                                 "0+1,",
                                 ",0+1",
                                 "0+1 2+1",
                                 "0+1,1+1",
                                 "5+1,4+1",
                                 "5+3,6+1",
                                 "-1+1",
                                 "0+-1",
                                 "0x1+1",
                                 "a+1",
                                 "0+1x",
                                 " 0+1",
                                 "1.5+1",
                                 "18446744073709551615+1",
                                 "18446744073709551616+1",
                                 "1+18446744073709551615",
                                 "99999999999999999999999+1"})
    EXPECT_EQ(ParsePageRuns(text, kPages), std::nullopt) << text;
  // No sum wraps around.
  EXPECT_EQ(ParsePageRuns("5+18446744073709551612", std::numeric_limits<uint64_t>::max()), std::nullopt);
}

}  // namespace
}  // namespace quire
