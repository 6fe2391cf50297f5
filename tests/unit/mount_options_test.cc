// Goal: every option of a mount means what its table says, and a wrong one is refused by name.
#include "fs/mount_options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quire {
namespace {

MountOptions Parsed(const std::vector<std::string>& lists) {
  const auto options = ParseMountOptions(lists);
  EXPECT_TRUE(options.has_value()) << options.error().message;
  return options.value_or(MountOptions());
}

std::string Refusal(const std::string& list) {
  const auto options = ParseMountOptions(std::vector{list});
  if (options) return "accepted";
  EXPECT_EQ(options.error().code, ErrorCode::kInvalid);
  return options.error().message;
}

TEST(MountOptions, NoneMeansTheDefaults) { EXPECT_EQ(Parsed({}), MountOptions()); }

TEST(MountOptions, WhatEveryPackMountIsAnywayChangesNothing) {
  EXPECT_EQ(Parsed({"defaults,ro,noatime,nodev,nosuid"}), MountOptions());
}

TEST(MountOptions, EmptyPartsAreSkipped) { EXPECT_EQ(Parsed({"", ",ro,,", ","}), MountOptions()); }

TEST(MountOptions, SeveralListsAreOneAndTheLastWins) {
  const MountOptions options = Parsed({"threads=3,log_level=debug", "threads=7"});
  EXPECT_EQ(options.threads, 7U);
  EXPECT_EQ(options.log_level, spdlog::level::debug);
}

TEST(MountOptions, LettingOthersInSwitchesPermissionChecksOn) {
  EXPECT_FALSE(Parsed({}).default_permissions);
  EXPECT_TRUE(Parsed({"allow_other"}).default_permissions);
  EXPECT_TRUE(Parsed({"allow_root"}).default_permissions);
}

TEST(MountOptions, RwSaysThatPacksAreReadOnly) { EXPECT_TRUE(Refusal("rw").contains("read-only")); }

TEST(MountOptions, UnknownNamesTheNearest) {
  EXPECT_EQ(Refusal("ro,alow_other"), "unknown option 'alow_other': did you mean 'allow_other'?");
  EXPECT_TRUE(Refusal("loglevel=info").contains("'log_level'"));
}

TEST(MountOptions, ThreadsAreOneToThousandTwentyFour) {
  EXPECT_EQ(Parsed({"threads=1"}).threads, 1U);
  EXPECT_EQ(Parsed({"threads=1024"}).threads, 1024U);
  for (const char* const wrong : {"threads=0", "threads=1025", "threads=-1", "threads=2x", "threads=", "threads"})
    EXPECT_TRUE(Refusal(wrong).contains("threads")) << wrong;
}

TEST(MountOptions, FlagsTakeNoValue) { EXPECT_EQ(Refusal("allow_other=1"), "option 'allow_other' takes no value"); }

TEST(MountOptions, OtherAndRootExcludeEachOther) { EXPECT_TRUE(Refusal("allow_other,allow_root").contains("exclude")); }

}  // namespace
}  // namespace quire
