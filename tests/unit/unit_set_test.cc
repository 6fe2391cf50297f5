// SPDX-License-Identifier: Apache-2.0
// Goal: a set of units is what a set of numbers below 128 would be.
// Method: every run of units against std::bitset, and the edges of extents.
#include "cache/page/unit_set.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace quire {
namespace {

using Bits = std::bitset<UnitSet::kUnits>;

Bits BitsOf(UnitSet set) {
  Bits bits;
  while (!set.empty()) {
    bits.set(set.first());
    set -= UnitSet(set.first(), 1);
  }
  return bits;
}

TEST(UnitSet, ARunIsItsUnits) {
  for (unsigned first = 0; first <= UnitSet::kUnits; ++first) {
    for (unsigned count = 0; first + count <= UnitSet::kUnits; ++count) {
      const UnitSet set(first, count);
      Bits expected;
      for (unsigned unit = first; unit < first + count; ++unit) expected.set(unit);
      ASSERT_EQ(BitsOf(set), expected) << first << " " << count;
      ASSERT_EQ(set.count(), count);
      ASSERT_EQ(set.empty(), count == 0);
      if (count > 0) {
        ASSERT_EQ(set.first(), first);
        ASSERT_EQ(set.first_run(), count);
      }
    }
  }
}

TEST(UnitSet, UnionsCutsAndDifferencesAreThoseOfSets) {
  std::mt19937_64 random(1);
  const auto some = [&] {
    UnitSet set;
    for (int runs = 0; runs < 3; ++runs) {
      const auto first = static_cast<unsigned>(random() % UnitSet::kUnits);
      set |= UnitSet(first, static_cast<unsigned>(random() % (UnitSet::kUnits - first + 1)) / 3);
    }
    return set;
  };
  for (int i = 0; i < 2000; ++i) {
    const UnitSet a = some();
    const UnitSet b = some();
    UnitSet both = a;
    both |= b;
    UnitSet rest = a;
    rest -= b;
    EXPECT_EQ(BitsOf(both), BitsOf(a) | BitsOf(b));
    EXPECT_EQ(BitsOf(a & b), BitsOf(a) & BitsOf(b));
    EXPECT_EQ(BitsOf(rest), BitsOf(a) & ~BitsOf(b));
    EXPECT_EQ(a.Overlaps(b), (BitsOf(a) & BitsOf(b)).any());
    EXPECT_EQ(a == b, BitsOf(a) == BitsOf(b));
  }
}

TEST(UnitSet, AnExtentTouchesWhatItIsReadFromAndHoldsWhatLiesInIt) {
  constexpr uint64_t kUnit = UnitSet::kUnitBytes;
  EXPECT_EQ(UnitSet::Touching(0, 0), UnitSet(0, 1)) << "the place of an empty extent";
  EXPECT_EQ(UnitSet::Touching(kUnit - 1, 2), UnitSet(0, 2));
  EXPECT_EQ(UnitSet::Touching(kUnit, kUnit), UnitSet(1, 1));
  EXPECT_EQ(UnitSet::Touching(kPageBytes - 1, 1), UnitSet(UnitSet::kUnits - 1, 1));
  EXPECT_EQ(UnitSet::Touching(0, kPageBytes), UnitSet(0, UnitSet::kUnits));
  EXPECT_TRUE(UnitSet::Within(0, 0).empty());
  EXPECT_TRUE(UnitSet::Within(1, kUnit).empty());
  EXPECT_TRUE(UnitSet::Within(10, 20).empty());
  EXPECT_EQ(UnitSet::Within(1, 2 * kUnit), UnitSet(1, 1));
  EXPECT_EQ(UnitSet::Within(kUnit, kUnit), UnitSet(1, 1));
  EXPECT_EQ(UnitSet::Within(0, kPageBytes), UnitSet(0, UnitSet::kUnits));
}

}  // namespace
}  // namespace quire
