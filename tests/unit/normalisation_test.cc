// SPDX-License-Identifier: Apache-2.0
// Goal: times and owners on the command line are read as the help says, or refused.
#include "format/write/normalisation.h"

#include <gtest/gtest.h>

#include "format/pack/records.h"

namespace quire {
namespace {

TEST(ParseMtime, TakesSecondsAndDatesInUtc) {
  const auto at = [](time_t seconds) { return EncodeMtime({.tv_sec = seconds, .tv_nsec = 0}); };
  EXPECT_EQ(ParseMtime("@0").value(), at(0));
  EXPECT_EQ(ParseMtime("@-1").value(), at(-1));
  EXPECT_EQ(ParseMtime("2001-02-03").value(), at(981158400));
  EXPECT_EQ(ParseMtime("2001-02-03T04:05:06").value(), at(981173106));
  EXPECT_EQ(ParseMtime("2001-02-03T04:05:06Z").value(), at(981173106));
}

TEST(ParseMtime, RefusesWhatIsNoTime) {
  for (const char* wrong : {"", "@", "@1x", "0", "today", "2001-02-30", "2001-13-01", "2001-02-03T04", "2001-02-03 x",
                            "@99999999999999", "1800-01-01"}) {
    const auto parsed = ParseMtime(wrong);
    ASSERT_FALSE(parsed.has_value()) << wrong;
    EXPECT_NE(parsed.error().message.find("--mtime"), std::string::npos);
  }
}

TEST(ParseOwner, TakesNumbers) {
  Normalisation both;
  Normalisation user;
  Normalisation group;
  EXPECT_TRUE(ParseOwner("0:4294967294", both).has_value());
  EXPECT_TRUE(ParseOwner("7", user).has_value());
  EXPECT_TRUE(ParseOwner(":8", group).has_value());
  EXPECT_EQ(both.uid, 0U);
  EXPECT_EQ(both.gid, 4294967294U);
  EXPECT_EQ(user.uid, 7U);
  EXPECT_FALSE(user.gid.has_value());
  EXPECT_FALSE(group.uid.has_value());
  EXPECT_EQ(group.gid, 8U);
}

TEST(ParseOwner, RefusesNamesAndWhatNobodyIs) {
  for (const char* wrong : {"", ":", "root", "0:root", "4294967295", "-1", "1:2:3", "1 :2"}) {
    Normalisation normalisation;
    EXPECT_EQ(ParseOwner(wrong, normalisation).error().code, ErrorCode::kInvalid) << wrong;
  }
}

}  // namespace
}  // namespace quire
