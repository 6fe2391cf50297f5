// SPDX-License-Identifier: Apache-2.0
// Goal: the window comes near what a link and a server can bear, and no wider.
// Method: a link that is a formula: so many bytes a second in all, so many by one connection, and a latency.
#include "cache/remote/request_window.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace quire {
namespace {

using std::chrono::duration;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kBytes = 1 << 20;

struct Link {
  double latency = 0.02;                 // seconds
  double of_all = 1e9;                   // bytes a second
  double of_connection = 1e9;            // likewise
  unsigned most = RequestWindow::kMost;  // requests that the server takes
};

// What is left of a window after `answers` answers that kept it full.
unsigned Settled(const Link& link, int answers, RequestWindow window = {}) {
  Clock::time_point now = Clock::now();
  for (int i = 0; i < answers; ++i) {
    const unsigned in_flight = window.size();
    const double alone = kBytes / (link.latency + kBytes / link.of_connection);
    const double rate = std::min(in_flight * alone, link.of_all);
    now += std::chrono::duration_cast<Clock::duration>(duration<double>(kBytes / rate));
    if (in_flight > link.most)
      window.Refused(now, now);
    else
      window.Came(kBytes, /*is_full=*/true, now);
  }
  return window.size();
}

TEST(RequestWindow, BeginsInTheMiddle) { EXPECT_EQ(RequestWindow().size(), RequestWindow::kFirst); }

TEST(RequestWindow, BeginsWiderWhereAnswersAreLate) {
  using std::chrono::milliseconds;
  EXPECT_EQ(RequestWindow(milliseconds(1), 256 << 10).size(), RequestWindow::kFirst);
  EXPECT_EQ(RequestWindow(milliseconds(20), 1 << 20).size(), 38U);
  EXPECT_EQ(RequestWindow(milliseconds(100), 2 << 20).size(), RequestWindow::kMost);
}

TEST(RequestWindow, FarAwayItIsWide) { EXPECT_GE(Settled({.latency = 0.1, .of_all = 3e9}, 5000), 48U); }

TEST(RequestWindow, SlowConnectionsAreMany) {
  EXPECT_GE(Settled({.latency = 0.001, .of_all = 3e9, .of_connection = 50e6}, 5000), 48U);
}

TEST(RequestWindow, ASlowLinkHasFewInFlight) { EXPECT_LE(Settled({.latency = 0.001, .of_all = 50e6}, 5000), 8U); }

TEST(RequestWindow, AFullLinkStaysFull) {
  const Link link{.latency = 0.02, .of_all = 500e6, .of_connection = 100e6};
  const unsigned size = Settled(link, 20'000);
  EXPECT_GE(size * kBytes / (link.latency + kBytes / link.of_connection), 0.9 * link.of_all) << size;
}

TEST(RequestWindow, AServerThatRefusesGetsWhatItTakes) {
  EXPECT_LE(Settled({.latency = 0.1, .most = 6}, 5000), 7U);
  EXPECT_GE(Settled({.latency = 0.1, .most = 6}, 5000), 3U);
  EXPECT_EQ(Settled({.latency = 0.1, .most = 0}, 100), 1U);
}

TEST(RequestWindow, OneWaveOfRefusalsHalvesItOnce) {
  RequestWindow window;
  const auto began = Clock::now();
  for (int i = 0; i < 16; ++i) window.Refused(began, began + std::chrono::milliseconds(i + 1));
  EXPECT_EQ(window.size(), RequestWindow::kFirst / 2);
}

TEST(RequestWindow, WhatIsNotFullSaysNothing) {
  RequestWindow window;
  auto now = Clock::now();
  for (int i = 0; i < 5000; ++i) window.Came(kBytes, /*is_full=*/false, now += std::chrono::milliseconds(1));
  EXPECT_EQ(window.size(), RequestWindow::kFirst);
}

TEST(RequestWindow, ReadersHaveAShareOfTheirOwn) {
  EXPECT_EQ(RequestWindow().background(), 12U);
  RequestWindow narrow;
  for (int i = 1; i < 8; ++i)
    narrow.Refused(Clock::now() + std::chrono::seconds(i), Clock::now() + std::chrono::seconds(i));
  EXPECT_EQ(narrow.size(), 1U);
  EXPECT_EQ(narrow.background(), 1U);
}

}  // namespace
}  // namespace quire
