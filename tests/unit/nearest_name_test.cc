// SPDX-License-Identifier: Apache-2.0
// Goal: a mistyped name leads to the one that was meant, and a name of another kind to none.
#include "fs/nearest_name.h"

#include <gtest/gtest.h>

#include <array>

namespace quire {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"pack", "mount", "umount", "ls", "--skip-unreadable", "io"};

TEST(NearestName, OneLetterInThreeMayBeWrong) {
  EXPECT_EQ(FindNearestName("pakc", kNames), "pack");  // two letters that changed places
  EXPECT_EQ(FindNearestName("unmount", kNames), "umount");
  EXPECT_EQ(FindNearestName("mont", kNames), "mount");
  EXPECT_EQ(FindNearestName("--skip-unreadble", kNames), "--skip-unreadable");
  EXPECT_EQ(FindNearestName("--skipunreadble", kNames), "--skip-unreadable");
}

TEST(NearestName, WhatIsFarFromAllIsNearNone) {
  for (const char* const word : {"", "foo", "list", "verify", "--job"})
    EXPECT_FALSE(FindNearestName(word, kNames).has_value()) << word;
  EXPECT_FALSE(FindNearestName("pack", {}).has_value());
}

}  // namespace
}  // namespace quire
