// SPDX-License-Identifier: Apache-2.0
#include "fs/options/peer_list.h"

#include <gtest/gtest.h>

#include "fs/options/brace_expansion.h"

namespace quire {
namespace {

std::string TextOf(std::string_view list) {
  const auto urls = ParsePeerList("peers", list);
  if (!urls) return "error";
  return fmt::format("{}", fmt::join(*urls, " "));
}

TEST(PeerListTest, NamesNeighboursOneByOneOrByPattern) {
  EXPECT_EQ(TextOf("http://a/tier"), "http://a/tier");
  EXPECT_EQ(TextOf("http://a:8080+https://b/x/"), "http://a:8080 https://b/x/");
  EXPECT_EQ(TextOf("http://n{08..11}/t"), "http://n08/t http://n09/t http://n10/t http://n11/t");
  EXPECT_EQ(TextOf("http://n{1,3}/t+http://m/t"), "http://n1/t http://n3/t http://m/t");
}

TEST(PeerListTest, WhatIsNoUrlOfAWebServerIsRefused) {
  for (const char* const list : {"", "+", "a", "http://", "http:///tier", "s3://bucket/key", "ftp://a/", "http://a b/",
                                 "http://user@a/", "http://a/?key=1", "http://a/#x", "http://a/+", "http://\xc3\xa4/"})
    EXPECT_EQ(TextOf(list), "error") << list;
}

TEST(PeerListTest, NoMoreAreTakenThanEachMissMayAsk) {
  EXPECT_NE(TextOf("http://n{1..32}/t"), "error");
  EXPECT_EQ(TextOf("http://n{1..33}/t"), "error");
  EXPECT_EQ(TextOf("http://n{1..32}/t+http://m/t"), "error");
  EXPECT_EQ(TextOf("http://n{0..18446744073709551615}/t"), "error");
}

}  // namespace
}  // namespace quire
