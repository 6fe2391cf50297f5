// SPDX-License-Identifier: Apache-2.0
// Goal: every option of a mount means what its table says, and a wrong one is refused by name.
#include "fs/options/mount_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
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

TEST(MountOptions, WhatFstabSaysToOthersChangesNothing) {
  EXPECT_EQ(Parsed({"auto,noauto,_netdev,nouser,comment=for=us,x-systemd.automount,x-gvfs-name=A b,X-mount.mkdir,"
                    "relatime,strictatime,lazytime,sync,async,loop,sizelimit=4096,exec"}),
            MountOptions());
}

TEST(MountOptions, UsersMountWithoutProgramsUnlessALaterOptionSaysSo) {
  for (const char* const who : {"user", "users", "owner", "group", "user=alice"})
    EXPECT_FALSE(Parsed({who}).exec) << who;
  EXPECT_FALSE(Parsed({"suid,dev,user"}).suid);
  EXPECT_FALSE(Parsed({"suid,dev,user"}).dev);
  EXPECT_TRUE(Parsed({"user,exec"}).exec);
  EXPECT_FALSE(Parsed({"exec,user"}).exec);
  EXPECT_TRUE(Parsed({"nosuid,suid"}).suid);
}

TEST(MountOptions, QuotedValuesMayHoldCommas) {
  EXPECT_EQ(Parsed({R"(context="system_u:object_r:tmp_t:s0:c127,c456",noexec)"}).security_contexts,
            std::vector<std::string>{"context=system_u:object_r:tmp_t:s0:c127,c456"});
  EXPECT_EQ(Parsed({R"(subdir="a,b",log_file="/x, y")"}).subdir, "a,b");
  EXPECT_EQ(Parsed({R"(subdir="a,b",log_file="/x, y")"}).log_file, "/x, y");
  EXPECT_EQ(Parsed({R"(subdir=the "best")"}).subdir, R"(the "best")");
}

TEST(MountOptions, MasksAreOctalAndTheLastWins) {
  const AttributeOverrides masks = Parsed({"umask=022,fmask=0133"}).overrides;
  EXPECT_EQ(masks.file_mask, 0133U);
  EXPECT_EQ(masks.directory_mask, 022U);
  EXPECT_EQ(Parsed({"fmask=0133,umask=0"}).overrides.file_mask, 0U);
  EXPECT_EQ(Parsed({"dmask=777"}).overrides.file_mask, std::nullopt);
  for (const char* const wrong : {"umask=8", "fmask=1000", "dmask=", "umask=-1", "umask=rwx"})
    EXPECT_TRUE(Refusal(wrong).contains("octal")) << wrong;
}

TEST(MountOptions, ASubdirThatLeadsOutOfThePackIsRefused) {
  EXPECT_EQ(Parsed({"subdir=/a/./b/../../c/"}).subdir, "/a/./b/../../c/");
  for (const char* const wrong : {"..", "../..", "/..", "a/../..", "a/../../a", "./../a"})
    EXPECT_TRUE(Refusal(fmt::format("subdir={}", wrong)).contains("leads out of the pack")) << wrong;
}

TEST(MountOptions, OwnersAreNumbers) {
  EXPECT_EQ(Parsed({"uid=0,gid=4294967294"}).overrides.uid, 0U);
  EXPECT_EQ(Parsed({"uid=0,gid=4294967294"}).overrides.gid, 4294967294U);
  EXPECT_EQ(Refusal("uid=alice"), "option 'uid=alice': give a number, as 'id -u NAME' prints it");
  EXPECT_EQ(Refusal("gid=4294967295"), "option 'gid=4294967295': give a number, as 'id -g NAME' prints it");
}

TEST(MountOptions, AMountIsNotChanged) {
  EXPECT_TRUE(Refusal("remount,ro").contains("unmount it"));
  // What mount(8) of util-linux 2.41 says, from /proc/self/mountinfo.
  EXPECT_TRUE(Refusal("ro,user_id=0,group_id=0,default_permissions,allow_other,remount").contains("unmount it"));
}

TEST(MountOptions, TimeoutIsInSeconds) {
  EXPECT_EQ(Parsed({"timeout=90"}).idle_timeout, std::chrono::seconds(90));
  EXPECT_TRUE(Refusal("timeout=1m").contains("number from 0"));
}

TEST(MountOptions, MountMayTakeRwAndWhatIsUnknown) {
  const std::vector<std::string> lists = {"rw,no_such_thing=1,threads=3"};
  const auto options = ParseMountOptions(lists, {.ignore_unknown = true, .ignore_rw = true});
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->threads, 3U);
  EXPECT_FALSE(ParseMountOptions(lists, {.ignore_rw = true}).has_value());
  EXPECT_FALSE(ParseMountOptions(lists, {.ignore_unknown = true}).has_value());
}

// "a|b" of an option's value.
std::vector<std::string> Choices(std::string_view value) {
  std::vector<std::string> choices;
  for (const auto choice : std::views::split(value, '|')) choices.emplace_back(choice.begin(), choice.end());
  return choices;
}

TEST(MountOptions, EveryDescribedChoiceIsTakenAndNoOther) {
  size_t options_with_choices = 0;
  for (const MountOptionDescription& option : DescribeMountOptions()) {
    const auto choices = Choices(option.value);
    if (choices.size() < 2) continue;
    ++options_with_choices;
    for (const std::string& choice : choices) Parsed({"tier=/nvme/quire", fmt::format("{}={}", option.name, choice)});
    const std::string refusal = Refusal(fmt::format("{}=no", option.name));
    for (const std::string& choice : choices) EXPECT_TRUE(refusal.contains(choice)) << option.name << ": " << choice;
    EXPECT_EQ(std::ranges::count(refusal, ',') + 2, std::ssize(choices)) << refusal;
  }
  EXPECT_EQ(options_with_choices, 11U);
}

TEST(MountOptions, GroupsAreTogetherAndNoNameIsThereTwice) {
  std::set<std::string_view> names;
  std::vector<std::string_view> groups;
  for (const MountOptionDescription& option : DescribeMountOptions()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    if (groups.empty() || groups.back() != option.group) {
      EXPECT_EQ(std::ranges::find(groups, option.group), groups.end()) << option.group;
      groups.push_back(option.group);
    }
  }
}

TEST(MountOptions, TheListFitsItsColumnsAndNamesEveryOption) {
  const std::string list = FormatMountOptions(80);
  for (const auto line : std::views::split(list, '\n')) EXPECT_LE(line.size(), 80U);
  for (const MountOptionDescription& option : DescribeMountOptions())
    EXPECT_TRUE(list.contains(option.name)) << option.name;
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
  EXPECT_EQ(Refusal("ro,alow_other"), "unknown option 'alow_other'; did you mean 'allow_other'?");
  EXPECT_TRUE(Refusal("loglevel=info").contains("'log_level'"));
  EXPECT_TRUE(Refusal("foo=bar").starts_with("unknown option 'foo'; 'quire mount --help'"));  // none is near
}

TEST(MountOptions, ThreadsAreOneToThousandTwentyFour) {
  EXPECT_EQ(Parsed({"threads=1"}).threads, 1U);
  EXPECT_EQ(Parsed({"threads=1024"}).threads, 1024U);
  for (const char* const wrong : {"threads=0", "threads=1025", "threads=-1", "threads=2x", "threads=", "threads"})
    EXPECT_TRUE(Refusal(wrong).contains("threads")) << wrong;
}

TEST(MountOptions, ThreadsAreByDefaultOneACoreFromTwoToSixteen) {
  EXPECT_GE(MountOptions().threads, 2U);
  EXPECT_LE(MountOptions().threads, 16U);
}

TEST(MountOptions, CacheSizeCountsBytesOrBinaryUnits) {
  EXPECT_EQ(Parsed({}).cache.cache_bytes, std::nullopt);
  EXPECT_EQ(Parsed({"cache_size=8388608"}).cache.cache_bytes, 8U << 20);
  EXPECT_EQ(Parsed({"cache_size=1.5GiB"}).cache.cache_bytes, uint64_t{3} << 29);
}

TEST(MountOptions, WhatIsNoSizeIsRefused) {
  for (const char* const wrong : {"", "M", "-1", "8 M"})
    EXPECT_EQ(Refusal(fmt::format("cache_size={}", wrong)),
              fmt::format("option 'cache_size={}': give bytes, or a size such as 512M or 1.5G", wrong));
}

TEST(MountOptions, EveryChoiceOfTheCacheIsTaken) {
  for (const auto& [name, huge] : kHugePagesNames)
    EXPECT_EQ(Parsed({fmt::format("huge={}", name)}).cache.huge, huge) << name;
  for (const auto& [name, policy] : kPolicyNames)
    if (policy != PolicyKind::kBelady) {
      EXPECT_EQ(Parsed({fmt::format("policy={}", name)}).cache.policy, policy) << name;
    }
  for (const auto& [name, admission] : kAdmissionNames)
    EXPECT_EQ(Parsed({fmt::format("admit={}", name)}).cache.admission, admission) << name;
  for (const auto& [name, io] : kIoNames) EXPECT_EQ(Parsed({fmt::format("io={}", name)}).cache.io, io) << name;
  EXPECT_FALSE(Parsed({"readahead=off"}).cache.readahead);
  EXPECT_TRUE(Parsed({"readahead=off,readahead=on"}).cache.readahead);
}

TEST(MountOptions, EveryTransportIsTaken) {
  EXPECT_EQ(Parsed({}).transport, Transport::kAuto);
  for (const auto& [name, transport] : kTransportNames)
    EXPECT_EQ(Parsed({fmt::format("transport={}", name)}).transport, transport) << name;
}

TEST(MountOptions, WhatIsSaidOfATierNeedsOne) {
  for (const char* option : {"tier_size=1G", "peers=http://node1/tier", "prefetch=all", "limit=50M"}) {
    EXPECT_TRUE(Refusal(option).contains("needs 'tier='")) << option;
    EXPECT_EQ(Refusal(std::string(option) + ",tier=/nvme/quire"), "accepted") << option;
  }
  EXPECT_TRUE(Refusal("tier=/nvme/quire,limit=5").contains("64K at least"));
}

TEST(MountOptions, WhatIsNoChoiceNamesThoseThatAre) {
  EXPECT_EQ(Refusal("huge=yes"), "option 'huge=yes': give auto, hugetlb, thp or off");
  EXPECT_EQ(Refusal("policy=random"), "option 'policy=random': give auto, lru, fifo or pin");
  EXPECT_EQ(Refusal("admit="), "option 'admit=': give auto, page or extent");
  EXPECT_EQ(Refusal("io=aio"), "option 'io=aio': give auto, uring or threads");
  EXPECT_EQ(Refusal("transport=tcp"), "option 'transport=tcp': give auto, dev or uring");
  EXPECT_EQ(Refusal("readahead=1"), "option 'readahead=1': give on or off");
  EXPECT_EQ(Refusal("huge"), "option 'huge' needs a value: huge=...");
}

TEST(MountOptions, PushingIsAutomaticUnlessChosen) {
  EXPECT_EQ(Parsed({}).push, PushMode::kAuto);
  for (const auto& [name, mode] : kPushNames) EXPECT_EQ(Parsed({fmt::format("push={}", name)}).push, mode) << name;
  EXPECT_EQ(Parsed({"push=on,push=auto"}).push, PushMode::kAuto);
  EXPECT_EQ(Refusal("push=yes"), "option 'push=yes': give auto, on or off");
  EXPECT_EQ(Refusal("push"), "option 'push' needs a value: push=...");
}

TEST(MountOptions, ReaddirplusIsOnUnlessSwitchedOff) {
  EXPECT_TRUE(Parsed({}).readdirplus);
  EXPECT_FALSE(Parsed({"readdirplus=off"}).readdirplus);
  EXPECT_TRUE(Parsed({"readdirplus=off", "readdirplus=on"}).readdirplus);
  EXPECT_EQ(Refusal("readdirplus=auto"), "option 'readdirplus=auto': give on or off");
}

TEST(MountOptions, ReadAheadIsUpTo64MiBInKiB) {
  EXPECT_EQ(Parsed({}).read_ahead_kb, std::nullopt);
  EXPECT_EQ(Parsed({"read_ahead_kb=0"}).read_ahead_kb, 0U);
  EXPECT_EQ(Parsed({"read_ahead_kb=65536"}).read_ahead_kb, 65536U);
  for (const char* const wrong : {"65537", "-1", "4K", "", "4294967297"})
    EXPECT_EQ(Refusal(fmt::format("read_ahead_kb={}", wrong)),
              fmt::format("option 'read_ahead_kb={}': give a number from 0 to 65536", wrong));
}

TEST(MountOptions, DirectIoLeavesNothingToPushInto) {
  EXPECT_FALSE(Parsed({}).direct_io);
  EXPECT_TRUE(Parsed({"direct_io"}).direct_io);
  EXPECT_EQ(Parsed({"direct_io"}).push, PushMode::kOff);
  EXPECT_EQ(Parsed({"push=auto", "direct_io"}).push, PushMode::kOff);
  EXPECT_TRUE(Refusal("direct_io,push=on").contains("'push=on'"));
  EXPECT_TRUE(Refusal("push=on,direct_io").contains("'direct_io'"));
  EXPECT_EQ(Refusal("direct_io=1"), "option 'direct_io' takes no value");
}

TEST(MountOptions, BeladyIsRefusedBecauseNobodyTellsIt) {
  EXPECT_TRUE(Refusal("policy=belady").contains("order of all reads"));
}

TEST(MountOptions, FlagsTakeNoValue) { EXPECT_EQ(Refusal("allow_other=1"), "option 'allow_other' takes no value"); }

TEST(MountOptions, OtherAndRootExcludeEachOther) { EXPECT_TRUE(Refusal("allow_other,allow_root").contains("exclude")); }

}  // namespace
}  // namespace quire
